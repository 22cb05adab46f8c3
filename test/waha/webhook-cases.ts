import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { describe, it } from "node:test";
import { type Webhook, WebhookInbox } from "../e2e/webhook-inbox.ts";
import { openReceiver } from "../support/webhook-receiver.ts";
import { noWebhooks, settings, type Target } from "./target.ts";

/** A session of the case and an endpoint that receives its webhooks. */
interface Scene {
  readonly target: Target;
  readonly session: string;
  readonly hook: WebhookInbox;
  /** Creates and starts the session with one webhook, or with several. */
  create(webhook: object | readonly object[]): Promise<void>;
  /** Waits for this many events of the session. */
  events(count: number): Promise<readonly Webhook[]>;
}

const key = "my-secret-key";
const hmacOf = (body: string | Uint8Array, secret: string) => createHmac("sha512", secret).update(body).digest("hex");

const skipOn = (reason: string) => ({ skip: settings.kind === "waha" ? reason : false });

async function scene(target: Target, play: (scene: Scene) => Promise<void>): Promise<void> {
  const session = target.newName();
  await using cleanup = new AsyncDisposableStack();
  const hook = cleanup.use(await WebhookInbox.open());
  cleanup.defer(() => target.remove([session]));
  const stage: Scene = {
    target,
    session,
    hook,
    async create(webhook) {
      const webhooks = [webhook].flat().map((one) => ({ url: hook.url, events: ["session.status"], ...one }));
      const body = { name: session, start: true, config: { webhooks, metadata: { "user.id": "123" } } };
      const { status, text } = await target.client.send({ method: "POST", path: "/api/sessions", body });
      assert.equal(status, 201, text);
    },
    events(count) {
      return hook.until((taken) => {
        const own = taken.filter(({ body }) => body.session === session);
        return own.length >= count && own;
      });
    },
  };
  await play(stage);
}

/** Registers the cases about webhooks of an unpaired session, which need no phone. */
export function registerWebhookCases(target: () => Target): void {
  describe("webhooks", { skip: noWebhooks ?? false, concurrency: 4 }, () => {
    it("WAHA's vector: the HMAC of the suite is WAHA's", () => {
      const hmac = hmacOf('{"event":"message","session":"default","engine":"WEBJS"}', key);
      assert.match(hmac, /^208f8a55.*076153fa89$/);
    });

    it("session.status comes for STARTING, then for SCAN_QR_CODE", () =>
      scene(target(), async ({ create, events }) => {
        await create({});
        const statuses = (await events(2)).map(({ body }) => body.payload.status);
        assert.deepEqual(statuses.slice(0, 2), ["STARTING", "SCAN_QR_CODE"]);
      }));

    it("the body has WAHA's keys and values", () =>
      scene(target(), async ({ create, events, session }) => {
        await create({});
        const [first] = await events(1);
        assert.ok(first);
        assert.partialDeepStrictEqual(first.body, {
          event: "session.status",
          session,
          metadata: { "user.id": "123" },
          me: null,
          payload: { status: "STARTING" },
          engine: "NOWEB",
        });
        assert.deepEqual(Object.keys(Object(first.body.environment)), ["version", "engine", "tier", "browser"]);
      }));

    it("the body has an id, its time and the last statuses besides", skipOn("WAHA 2024.10 has none of these"), () =>
      scene(target(), async ({ create, events, session }) => {
        await create({});
        const [first, second] = await events(2);
        assert.ok(first && second);
        assert.deepEqual(Object.keys(first.body), [
          "id",
          "timestamp",
          "event",
          "session",
          "metadata",
          "me",
          "payload",
          "engine",
          "environment",
        ]);
        assert.match(first.body.id, /^evt_[0-9A-HJKMNP-TV-Z]{26}$/i);
        assert.ok(Math.abs(Number(first.body.timestamp) - Date.now()) < 600_000, "Unix milliseconds");
        assert.notEqual(first.body.id, second.body.id);
        assert.equal(second.body.payload.name, session);
        const statuses = second.body.payload.statuses;
        assert.ok(Array.isArray(statuses));
        assert.deepEqual(statuses.map(({ status }) => status).slice(-2), ["STARTING", "SCAN_QR_CODE"]);
      }),
    );

    it("the headers name the request, its time and the sender", skipOn("WAHA has another user agent"), () =>
      scene(target(), async ({ create, events }) => {
        await create({});
        const [first, second] = await events(2);
        assert.ok(first && second);
        assert.match(String(first.headers["content-type"]), /^application\/json\b/);
        assert.match(String(first.headers["user-agent"]), /^sessiond\/\d+\.\d+\.\d+/);
        assert.match(String(first.headers["x-webhook-timestamp"]), /^\d{13}$/);
        assert.ok(first.headers["x-webhook-request-id"]);
        assert.notEqual(first.headers["x-webhook-request-id"], second.headers["x-webhook-request-id"]);
        assert.equal(first.headers["x-webhook-hmac"], undefined);
        assert.equal(first.headers["webhook-signature"], undefined);
      }),
    );

    it("with a key the raw body is signed as WAHA signs it", () =>
      scene(target(), async ({ create, events }) => {
        await create({ hmac: { key } });
        const [first] = await events(1);
        assert.ok(first);
        assert.equal(first.headers["x-webhook-hmac"], hmacOf(first.raw, key));
        assert.equal(first.headers["x-webhook-hmac-algorithm"], "sha512");
      }));

    it("with a key the body is signed by Standard Webhooks, too", skipOn("new in sessiond"), () =>
      scene(target(), async ({ create, events }) => {
        await create({ hmac: { key } });
        const [first] = await events(1);
        assert.ok(first);
        const { headers } = first;
        const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${first.raw}`;
        const signature = createHmac("sha256", key).update(signed).digest("base64");
        assert.equal(headers["webhook-signature"], `v1,${signature}`);
      }),
    );

    it("a key that was sent back as *** still signs", skipOn("WAHA shows keys in clear"), () =>
      scene(target(), async ({ create, events, session, hook, target: at }) => {
        await create({ hmac: { key } });
        await events(2);
        const path = `/api/sessions/${session}`;
        const { config } = Object((await at.client.send({ method: "GET", path })).json());
        assert.equal(config.webhooks[0].hmac.key, "***");
        const before = hook.taken.length;
        assert.equal((await at.client.send({ method: "PUT", path, body: { config } })).status, 200);
        const later = (await events(before + 2)).slice(before);
        for (const { headers, raw } of later) assert.equal(headers["x-webhook-hmac"], hmacOf(raw, key));
      }),
    );

    it("custom headers are sent along, those with credentials in clear", () =>
      scene(target(), async ({ create, events }) => {
        const customHeaders = [
          { name: "X-My-Custom-Header", value: "Value" },
          { name: "Authorization", value: "Bearer hunter2" },
        ];
        await create({ customHeaders });
        const [first] = await events(1);
        assert.equal(first?.headers["x-my-custom-header"], "Value");
        assert.equal(first?.headers.authorization, "Bearer hunter2");
      }));

    it("only the events that were asked for come", () =>
      scene(target(), async ({ create, events, hook, session }) => {
        await create([
          { url: `${hook.url}?messages`, events: ["message"], customHeaders: [{ name: "X-Which", value: "messages" }] },
          { customHeaders: [{ name: "X-Which", value: "statuses" }] },
        ]);
        await events(2);
        const others = hook.taken.filter(
          ({ body, headers }) => body.session === session && headers["x-which"] !== "statuses",
        );
        assert.deepEqual(others, []);
      }));

    it("each webhook of a session gets each event", () =>
      scene(target(), async ({ create, events }) => {
        await create(["a", "b"].map((value) => ({ customHeaders: [{ name: "X-Which", value }] })));
        const which = (await events(4)).map(({ headers, body }) => `${headers["x-which"]} ${body.payload.status}`);
        assert.deepEqual(which.toSorted().slice(0, 4), [
          "a SCAN_QR_CODE",
          "a STARTING",
          "b SCAN_QR_CODE",
          "b STARTING",
        ]);
      }));

    it("what fails is tried again, with the same request id and body", () => triesAgain(target()));
  });
}

async function triesAgain(target: Target): Promise<void> {
  let answers = 0;
  await using receiver = await openReceiver((response) => {
    answers += 1;
    response.writeHead(answers === 1 ? 500 : 200).end();
  });
  const session = target.newName();
  const retries = { delaySeconds: 1, attempts: 5, policy: "constant" };
  const webhooks = [{ url: receiver.origin, events: ["session.status"], retries }];
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => target.remove([session]));
  const body = { name: session, start: true, config: { webhooks } };
  assert.equal((await target.client.send({ method: "POST", path: "/api/sessions", body })).status, 201);
  // The two events, and the repetition of the one answered with 500.
  await receiver.arrived(3);
  const ids = receiver.requests.map(({ headers }) => headers["x-webhook-request-id"]);
  assert.equal(ids.filter((id) => id === ids[0]).length, 2, "the first one came twice");
  const again = receiver.requests[ids.lastIndexOf(ids[0])];
  assert.deepEqual(again?.body, receiver.requests[0]?.body);
}
