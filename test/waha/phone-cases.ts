import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { WebhookInbox } from "../e2e/webhook-inbox.ts";
import {
  emptyConfig,
  exactly,
  failure,
  info,
  json,
  notStarted,
  statusNotAsExpected,
  withKeys,
} from "./expectations.ts";
import type { Answer, RestRequest } from "./http-client.ts";
import type { Phones } from "./phones.ts";
import { del, type Expectation, fill, get, post, put, sessionPath } from "./rest-case.ts";
import { assertAnswer } from "./run-case.ts";
import { noPhone, noWebhooks, settings, type Target } from "./target.ts";

/** Walk through the life of one session with emulated phones. */
class Walk {
  readonly session: string;
  readonly phones: Phones;
  readonly test: TestContext;
  readonly #target: Target;

  constructor(target: Target, test: TestContext) {
    assert.ok(target.phones, "there are phones");
    this.#target = target;
    this.phones = target.phones;
    this.test = test;
    this.session = target.newName();
  }

  /** Sends a request, with the session's name in place of "{session}", and checks the answer. */
  async step(request: RestRequest, expect: Expectation): Promise<Answer> {
    const filled = fill(request, this.session);
    const answer = await this.#target.client.send(filled);
    assertAnswer(answer, filled, expect, { session: this.session, kind: settings.kind });
    return answer;
  }

  until(status: string): Promise<void> {
    return this.#target.untilStatus(this.session, status);
  }

  async create(config: object = {}): Promise<void> {
    await this.step(post("/api/sessions", { name: "{session}", start: true, config }), { status: 201 });
  }

  /** Returns the text of the current QR code. */
  async qr(): Promise<string> {
    await this.until("SCAN_QR_CODE");
    const answer = await this.step(get("/api/{session}/auth/qr?format=raw"), { status: 200 });
    return String(Object(answer.json()).value);
  }

  /** Creates a session and pairs it. Returns the phone's number. */
  async pair(config: object = {}): Promise<string> {
    await this.create(config);
    const phone = await this.phones.scan(await this.qr());
    await this.until("WORKING");
    return phone;
  }

  async remove(): Promise<void> {
    await this.#target.remove([this.session]);
  }
}

/** Expects the paired account, whatever its name. */
const isMe = (phone: string) => (answer: Answer) => {
  // WAHA shows `lid` and `jid` since 2026.7.1, and the limits since 2026.8.1.
  const { id, pushName, lid, jid, reachoutTimelock, messageCapping, ...others } = Object(answer.json());
  assert.deepEqual({ id, others }, { id: `${phone}@c.us`, others: {} });
  assert.equal(typeof pushName, "string");
  assert.match(answer.text, /^\{"id":.*,"pushName":/);
};

const shows = (status: string) => json(200, withKeys({ name: "{session}", status }));
const meOf = get(`${sessionPath}/me`);
const qr = get("/api/{session}/auth/qr");

const walks: Readonly<Record<string, (walk: Walk) => Promise<void>>> = {
  "create, scan, WORKING, me, stop, start without a code, logout, code, delete": async (walk) => {
    const phone = await walk.pair();
    await walk.step(get(sessionPath), shows("WORKING"));
    await walk.step(meOf, json(200, isMe(phone)));
    const { me } = Object((await walk.step(get(sessionPath), { status: 200 })).json());
    assert.equal(me.id, `${phone}@c.us`);

    await walk.step(post(`${sessionPath}/stop`), json(201, withKeys({ status: "STOPPED" })));
    if (settings.kind === "sessiond") await walk.step(meOf, json(200, exactly(null)));

    await walk.step(post(`${sessionPath}/start`), json(201, withKeys({ status: "STARTING" })));
    await walk.until("WORKING");
    await walk.step(meOf, json(200, isMe(phone)));

    await walk.step(post(`${sessionPath}/logout`), { status: 201 });
    await walk.until("SCAN_QR_CODE");
    if (settings.kind === "sessiond") await walk.step(meOf, json(200, exactly(null)));

    await walk.step(del(sessionPath), { status: 200 });
    await walk.step(get(sessionPath), failure(404, "Session not found"));
  },

  "pairing by code": async (walk) => {
    await walk.create();
    await walk.until("SCAN_QR_CODE");
    const phone = walk.phones.freeNumber();
    const request = post("/api/{session}/auth/request-code", { phoneNumber: `+${phone}` });
    const answer = await walk.step(request, { status: 201 });
    const { code } = Object(answer.json());
    assert.match(code, /^[A-Z0-9]{4}-[A-Z0-9]{4}$/);
    await walk.phones.enterCode(phone, code);
    await walk.until("WORKING");
    await walk.step(meOf, json(200, isMe(phone)));
  },

  "a working session has no code to scan": async (walk) => {
    await walk.pair();
    await walk.step(qr, statusNotAsExpected("WORKING"));
    await walk.step(get("/api/{session}/auth/qr?format=raw"), statusNotAsExpected("WORKING"));
  },

  "a working session gives no pairing code": async (walk) => {
    await walk.pair();
    const message = "Can request code only in SCAN_QR_CODE status. The current status is WORKING";
    await walk.step(post("/api/{session}/auth/request-code", { phoneNumber: "12132132130" }), failure(422, message));
  },

  "a working session on NOWEB has no screenshot": async (walk) => {
    await walk.pair();
    const message = "Can not get screenshot for non chrome based engine.";
    await walk.step(get("/api/screenshot?session={session}"), failure(422, message));
  },

  "start and create leave a working session alone": async (walk) => {
    const phone = await walk.pair();
    if (settings.kind === "sessiond") {
      await walk.step(post(`${sessionPath}/start`), json(201, withKeys({ status: "WORKING" })));
    }
    const taken = "Session '{session}' already exists. Use PUT to update it.";
    await walk.step(post("/api/sessions", { name: "{session}" }), failure(422, taken));
    await walk.step(post("/api/sessions/start", { name: "{session}" }), {
      ...failure(422, "Session '{session}' is already started."),
    });
    await walk.step(meOf, json(200, isMe(phone)));
  },

  "restart and an update keep the login": async (walk) => {
    const phone = await walk.pair();
    await walk.step(post(`${sessionPath}/restart`), json(201, withKeys({ name: "{session}" })));
    await walk.until("WORKING");
    const update = put(sessionPath, { config: { metadata: { a: "b" } } });
    await walk.step(update, json(200, withKeys({ name: "{session}" })));
    await walk.until("WORKING");
    await walk.step(meOf, json(200, isMe(phone)));
  },

  "logout of a stopped session drops the login": async (walk) => {
    await walk.pair();
    await walk.step(post(`${sessionPath}/stop`), json(201, withKeys({ status: "STOPPED" })));
    await walk.step(qr, notStarted);
    await walk.step(post(`${sessionPath}/logout`), json(201, withKeys({ status: "STOPPED" })));
    await walk.step(post(`${sessionPath}/start`), json(201, withKeys({ status: "STARTING" })));
    await walk.until("SCAN_QR_CODE");
  },

  "a device removed on the phone is FAILED, and the next start shows a new code": async (walk) => {
    const phone = await walk.pair();
    await walk.phones.unlink(phone);
    await walk.until("FAILED");
    await walk.step(qr, statusNotAsExpected("FAILED"));
    if (settings.kind === "sessiond") {
      await walk.step(get(sessionPath), json(200, withKeys({ status: "FAILED", statusReason: "LOGGED_OUT" })));
    }
    await walk.step(post(`${sessionPath}/start`), json(201, withKeys({ name: "{session}" })));
    await walk.phones.scan(await walk.qr());
    await walk.until("WORKING");
  },

  "logout and delete unlink the device at WhatsApp": async (walk) => {
    if (settings.kind === "waha") return walk.test.skip("WAHA leaves the device linked (its #148)");
    const loggedOut = await walk.pair();
    await walk.step(post(`${sessionPath}/logout`), { status: 201 });
    const deleted = await walk.phones.scan(await walk.qr());
    await walk.until("WORKING");
    await walk.step(del(sessionPath), { status: 200 });
    for (const phone of [loggedOut, deleted]) {
      await assert.rejects(walk.phones.unlink(phone), /404.*no device is linked/, "nothing is left to unlink");
    }
  },

  "a wrong pairing code is refused, and the right one still works": async (walk) => {
    await walk.create();
    await walk.until("SCAN_QR_CODE");
    const phone = walk.phones.freeNumber();
    const request = post("/api/{session}/auth/request-code", { phoneNumber: phone });
    const { code } = Object((await walk.step(request, { status: 201 })).json());
    const wrong = String(code).startsWith("A") ? `B${String(code).slice(1)}` : `A${String(code).slice(1)}`;
    await assert.rejects(walk.phones.enterCode(phone, wrong), /wrong code/);
    await walk.step(get(sessionPath), shows("SCAN_QR_CODE"));
    await walk.phones.enterCode(phone, code);
    await walk.until("WORKING");
  },

  "a session deleted and created again is a new one": async (walk) => {
    await walk.pair({ metadata: { a: "b" } });
    await walk.step(del(sessionPath), { status: 200 });
    await walk.create();
    if (settings.kind === "sessiond") {
      await walk.until("SCAN_QR_CODE");
      await walk.step(get(sessionPath), json(200, withKeys(info("SCAN_QR_CODE", emptyConfig))));
    }
    await walk.phones.scan(await walk.qr());
    await walk.until("WORKING");
  },
};

const webhookWalks: Readonly<Record<string, (walk: Walk, hook: WebhookInbox) => Promise<void>>> = {
  "webhooks tell the statuses in their order, and the account": async (walk, hook) => {
    const phone = await walk.pair({ webhooks: [{ url: hook.url, events: ["session.status"] }] });
    const order = ["STARTING", "SCAN_QR_CODE", "STARTING", "WORKING"];
    await hook.until(() => hook.statuses(walk.session).includes("WORKING"));
    assert.deepEqual(hook.statuses(walk.session), order);
    const last = hook.taken.findLast(({ body }) => body.payload.status === "WORKING");
    assert.equal(last?.body.me?.id, `${phone}@c.us`);
    await walk.step(post(`${sessionPath}/stop`), { status: 201 });
    await hook.until(() => hook.statuses(walk.session).includes("STOPPED"));
    assert.deepEqual(hook.statuses(walk.session), [...order, "STOPPED"]);
  },

  "a text that arrives is one message and one message.any": async (walk, hook) => {
    const phone = await walk.pair({ webhooks: [{ url: hook.url, events: ["message", "message.any"] }] });
    const friend = walk.phones.freeNumber();
    await walk.phones.send(friend, phone, "hello");
    const events = await hook.until((taken) => {
      const own = taken.filter(({ body }) => body.session === walk.session);
      return own.length >= 2 && own;
    });
    assert.deepEqual(events.map(({ body }) => body.event).toSorted(), ["message", "message.any"]);
    for (const { body } of events) {
      assert.partialDeepStrictEqual(body.payload, {
        from: `${friend}@c.us`,
        fromMe: false,
        body: "hello",
        hasMedia: false,
      });
      assert.match(String(body.payload.id), new RegExp(`^false_${friend}@c\\.us_\\w+$`));
      assert.ok(!JSON.stringify({ ...body.payload, _data: null }).includes("s.whatsapp.net"));
    }
  },
};

/** Registers the walks that need a phone. */
export function registerPhoneCases(target: () => Target): void {
  describe("with a phone", { skip: noPhone ?? false, concurrency: 2 }, () => {
    for (const [name, play] of Object.entries(walks)) {
      it(name, (t) => walkWith(new Walk(target(), t), play));
    }
    for (const [name, play] of Object.entries(webhookWalks)) {
      it(name, { skip: noWebhooks ?? false }, async (t) => {
        await using hook = await WebhookInbox.open();
        await walkWith(new Walk(target(), t), (walk) => play(walk, hook));
      });
    }
  });
}

async function walkWith(walk: Walk, play: (walk: Walk) => Promise<void>): Promise<void> {
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => walk.remove());
  await play(walk);
}
