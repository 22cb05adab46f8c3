import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AuthService, QrStreamResponse_Outcome_Result as Result } from "../../gen/sessiond/v1/auth_service_pb.js";
import { Engine_Kind, MeSchema, Session_Status } from "../../gen/sessiond/v1/session_pb.js";
import { SessionService } from "../../gen/sessiond/v1/session_service_pb.js";
import { openMemoryBackend } from "../../src/adapters/memory/backend.ts";
import type { Backend } from "../../src/ports/backend.ts";
import { restServices } from "../../src/server/api.ts";
import { everyWay, requestAbout } from "../e2e/every-call.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { startServer } from "../support/server.ts";
import { refusal, ScriptedEngine } from "./harness.ts";

const key = "k3y";
const withKey = { headers: { "x-api-key": key } };
const me = create(MeSchema, { id: "15551234567@c.us" });
const minuteMs = 60_000;

async function open(t: TestContext, env: Readonly<Record<string, string>> = {}, overrides: { backend?: Backend } = {}) {
  const clock = new FakeClock();
  const { backend = openMemoryBackend({ clock }) } = overrides;
  const opened: ScriptedEngine[] = [];
  const engine = {
    kind: Engine_Kind.NOWEB,
    abilities: ["pairingCodes"] as const,
    open() {
      const next = new ScriptedEngine();
      opened.push(next);
      return next;
    },
    hasLogin: async () => true,
  };
  const drawQr = async (value: string) => new TextEncoder().encode(`drawn ${value}`);
  const keyed = { SESSIOND_HOST: "127.0.0.1", WAHA_API_KEY: key, SESSIOND_CONNECTS_PER_SECOND: "10000", ...env };
  const { url } = await startServer(t, keyed, { clock, backend, engines: [engine], drawQr });
  const transport = createConnectTransport({ baseUrl: url, httpVersion: "1.1" });
  const auth = createClient(AuthService, transport);
  const sessions = createClient(SessionService, transport);
  const harness = {
    url,
    clock,
    auth,
    sessions,
    engine(): ScriptedEngine {
      const last = opened.at(-1);
      assert.ok(last, "no engine was opened");
      return last;
    },
    async createSession(name: string, start = true) {
      await sessions.createSession({ name, start }, withKey);
      clock.advance(1);
    },
    /** Creates a link, and returns the headers of its bearer. */
    async createLink(session: string, ttlMs?: number) {
      const request = { session, ...(ttlMs !== undefined && { ttl: durationFromMs(ttlMs) }) };
      const { id, url: path, expiresAt } = await auth.createPairingLink(request, withKey);
      const token = path.replace("/pair#", "");
      return {
        id,
        path,
        token,
        expiresAtMs: expiresAt && timestampMs(expiresAt),
        call: { headers: { "x-pairing-token": token } },
      };
    },
  };
  return harness;
}

type Harness = Awaited<ReturnType<typeof open>>;
type Link = Awaited<ReturnType<Harness["createLink"]>>;

const codeOf = async (call: Promise<unknown>) => (await refusal(call)).code;
const stateOf = async ({ auth }: Harness, { call }: Link) =>
  auth.getPairingLink({}, call).then(
    ({ session }) => session,
    async (error) => (await refusal(Promise.reject(error))).reason,
  );

describe("a pairing link", () => {
  it("has a token of 256 bits in the fragment of its URL, and lasts 15 minutes", async (t) => {
    const harness = await open(t);
    await harness.createSession("alice");
    const link = await harness.createLink("alice");
    assert.match(link.path, /^\/pair#[0-9a-f]{64}$/);
    const { session, expiresAt } = await harness.auth.getPairingLink({}, link.call);
    assert.deepEqual([session, expiresAt && timestampMs(expiresAt)], ["alice", link.expiresAtMs]);
    assert.equal(link.expiresAtMs, harness.clock.wallMs() + 15 * minuteMs);
    harness.clock.advance(15 * minuteMs - 1);
    assert.equal(await stateOf(harness, link), "alice");
    harness.clock.advance(1);
    assert.equal(await stateOf(harness, link), "PAIRING_LINK_INVALID");
  });

  it("shows codes and the outcome, and is used up by the pairing", async (t) => {
    const harness = await open(t);
    await harness.createSession("alice");
    const [link, other] = [await harness.createLink("alice"), await harness.createLink("alice")];
    const items: unknown[] = [];
    const stream = harness.auth.qrStream({ session: "alice" }, link.call);
    harness.engine().offer("qr-1");
    for await (const { item } of stream) {
      items.push(item.case === "outcome" ? Result[item.value.result] : item.case);
      if (items.length > 1) continue;
      assert.match(
        (await harness.auth.requestCode({ session: "alice", phoneNumber: "15551234567" }, link.call)).code,
        /^CODE/,
      );
      harness.engine().report({ type: "paired", me });
    }
    assert.equal(items.at(-1), "PAIRED");
    for (const used of [link, other]) {
      assert.equal(await stateOf(harness, used), "PAIRING_LINK_INVALID");
      assert.equal(await codeOf(drain(harness.auth.qrStream({ session: "alice" }, used.call))), "Unauthenticated");
    }
    assert.deepEqual((await harness.auth.listPairingLinks({ session: "alice" }, withKey)).links, []);
    // Nor does it work again once the session needs a phone again.
    await harness.sessions.logoutSession({ session: "alice" }, withKey);
    assert.equal(await stateOf(harness, link), "PAIRING_LINK_INVALID");
  });

  it("ends its streams when it is revoked, and when it expires", async (t) => {
    const harness = await open(t);
    await harness.createSession("alice");
    const [revoked, expired] = [await harness.createLink("alice"), await harness.createLink("alice", minuteMs)];
    harness.engine().offer("qr-1");
    const streams = [revoked, expired].map(({ call }) =>
      harness.auth.qrStream({ session: "alice" }, call)[Symbol.asyncIterator](),
    );
    for (const stream of streams) assert.equal((await stream.next()).value?.item.case, "qr");
    const ends = streams.map((stream) => codeOf(stream.next()));
    await harness.auth.revokePairingLink({ session: "alice", id: revoked.id }, withKey);
    assert.equal(await ends[0], "Unauthenticated");
    assert.equal(await stateOf(harness, expired), "alice");
    harness.clock.advance(minuteMs);
    assert.equal(await ends[1], "Unauthenticated");
  });

  it("is gone with its session, also for a new one of that name", async (t) => {
    const harness = await open(t);
    await harness.createSession("alice", false);
    const link = await harness.createLink("alice");
    await harness.sessions.deleteSession({ session: "alice" }, withKey);
    assert.equal(await stateOf(harness, link), "PAIRING_LINK_INVALID");
    await harness.createSession("alice", false);
    assert.equal(await stateOf(harness, link), "PAIRING_LINK_INVALID");
  });

  it("stays through a stop, a restart and a change of the configuration", async (t) => {
    const harness = await open(t);
    await harness.createSession("alice");
    const link = await harness.createLink("alice");
    await harness.sessions.stopSession({ session: "alice" }, withKey);
    await harness.sessions.updateSession({ session: "alice", config: { metadata: { a: "b" } } }, withKey);
    await harness.sessions.restartSession({ session: "alice" }, withKey);
    assert.equal(await stateOf(harness, link), "alice");
  });

  it("changes neither the revision nor a code that is shown", async (t) => {
    const harness = await open(t);
    await harness.createSession("alice");
    harness.engine().offer("qr-1");
    const stream = harness.auth.qrStream({ session: "alice" }, withKey)[Symbol.asyncIterator]();
    await stream.next();
    const before = (await harness.sessions.getSession({ session: "alice" }, withKey)).session;
    const { id } = await harness.createLink("alice");
    await harness.auth.revokePairingLink({ session: "alice", id }, withKey);
    harness.engine().offer("qr-2", 2);
    const { value } = await stream.next();
    assert.equal(value?.item.case, "qr");
    const after = (await harness.sessions.getSession({ session: "alice" }, withKey)).session;
    assert.equal(after?.revision, before?.revision);
    await stream.return?.();
  });

  it("survives a restart of the server as a hash", async (t) => {
    const clock = new FakeClock();
    const backend = openMemoryBackend({ clock });
    const kept = {
      ...backend,
      upkeep: { ...backend.upkeep, check: () => backend.upkeep.check(), close: async () => {} },
    };
    const first = await open(t, {}, { backend: kept });
    await first.createSession("alice", false);
    const link = await first.createLink("alice");
    const second = await open(t, {}, { backend: kept });
    assert.equal(await stateOf(second, link), "alice");
    const { records } = await backend.sessions.list();
    const stored = JSON.stringify(records, (_, value) => (typeof value === "bigint" ? String(value) : value));
    assert.match(stored, /tokenHash/);
    assert.doesNotMatch(stored, new RegExp(link.token));
  });
});

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

describe("the bearer of a pairing link", () => {
  const opened = new Set(["GetPairingLink", "QrStream", "RequestCode"]);
  /** Calls that need no key at all. */
  const openToAll = new Set(["Ping", "CheckHealth"]);

  const servers: readonly [env: Record<string, string>, protocols: readonly string[] | undefined][] = [
    [{}, undefined],
    [{ WAHA_API_KEY: "" }, ["Connect over HTTP/1.1", "REST"]],
    [{ SESSIOND_DASHBOARD: "readonly" }, ["Connect over HTTP/1.1", "REST"]],
  ];
  for (const [env, protocols] of servers) {
    it(`can make three calls for one session, in any protocol, with ${JSON.stringify(env)}`, async (t) => {
      const harness = await open(t, env);
      await harness.createSession("bob");
      await harness.createSession("alice");
      harness.engine().offer("qr-1");
      const { call } = await harness.createLink("alice");
      const byProtocol = everyWay(restServices, harness.url);
      const ways = [...byProtocol].flatMap(([name, calls]) => (protocols?.includes(name) === false ? [] : calls));
      for (const session of ["alice", "bob", "nobody"]) {
        const results = await Promise.all(
          ways.map(async ({ rpc, label, call: make }) => {
            // An open stream of codes stays open.
            const signal = AbortSignal.timeout(rpc.name === "QrStream" ? 3_000 : 60_000);
            const request = requestAbout(rpc, session);
            // Bearers of links may hold a key, too: the link decides.
            const headers = { ...call.headers, ...withKey.headers };
            return { rpc, label, ...(await make({ request, headers, signal })) };
          }),
        );
        for (const { rpc, label, code, answer } of results) {
          const isOwn = session === "alice" || rpc.name === "GetPairingLink";
          const mayCall = openToAll.has(rpc.name) || (opened.has(rpc.name) && isOwn);
          assert.equal(
            ["Unauthenticated", "401"].includes(code),
            !mayCall,
            `${label} of ${session}: ${code} ${answer}`,
          );
        }
      }
    });
  }

  const wrong = (token: string) => [
    "",
    "0".repeat(64),
    token.slice(1),
    `${token}0`,
    token.toUpperCase(),
    `${token} `,
    key,
  ];

  it("must have the whole token", async (t) => {
    const harness = await open(t);
    await harness.createSession("alice");
    const { token } = await harness.createLink("alice");
    for (const bad of wrong(token).filter((text) => text.trim() !== token)) {
      const call = harness.auth.getPairingLink({}, { headers: { "x-pairing-token": bad } });
      assert.equal((await refusal(call)).reason, "PAIRING_LINK_INVALID", bad);
    }
    const asQuery = await fetch(`${harness.url}/api/pairing-link?x-pairing-token=${token}`);
    assert.equal(asQuery.status, 401);
  });

  it("can open eight streams at a time", async (t) => {
    const harness = await open(t);
    await harness.createSession("alice");
    const { call } = await harness.createLink("alice");
    harness.engine().offer("qr-1");
    const start = () => harness.auth.qrStream({ session: "alice" }, call)[Symbol.asyncIterator]();
    const streams = Array.from({ length: 8 }, start);
    for (const stream of streams) assert.equal((await stream.next()).value?.item.case, "qr");
    assert.equal(await codeOf(start().next()), "ResourceExhausted");
    for (const stream of streams) await stream.return?.();
  });
});

describe("making pairing links", () => {
  const ttls: readonly [ttlMs: number, isAllowed: boolean][] = [
    [1_000, true],
    [24 * 60 * minuteMs, true],
    [24 * 60 * minuteMs + 1, false],
    [999, false],
    [0, false],
    [-minuteMs, false],
  ];
  for (const [ttlMs, isAllowed] of ttls) {
    it(`is ${isAllowed ? "possible" : "refused"} for ${ttlMs / 1_000} s`, async (t) => {
      const harness = await open(t);
      await harness.createSession("alice", false);
      const call = harness.createLink("alice", ttlMs);
      if (isAllowed) assert.equal((await call).expiresAtMs, harness.clock.wallMs() + ttlMs);
      else assert.match((await refusal(call)).message, /^ttl must be from "1s" to "86400s"/);
    });
  }

  it("is refused for a session that does not exist or is paired", async (t) => {
    const harness = await open(t);
    assert.equal((await refusal(harness.createLink("nobody"))).reason, "SESSION_NOT_FOUND");
    await harness.createSession("alice");
    harness.engine().offer("qr-1");
    harness.engine().report({ type: "paired", me });
    harness.engine().report({ type: "opened", me });
    await drain(harness.sessions.statusStream({ session: "alice", until: [Session_Status.WORKING] }, withKey));
    assert.deepEqual(
      [await codeOf(harness.createLink("alice")), (await refusal(harness.createLink("alice"))).reason],
      ["FailedPrecondition", "SESSION_PAIRED"],
    );
    // Also while it is stopped, since its login stays.
    await harness.sessions.stopSession({ session: "alice" }, withKey);
    assert.equal((await refusal(harness.createLink("alice"))).reason, "SESSION_PAIRED");
    await harness.sessions.logoutSession({ session: "alice" }, withKey);
    await harness.createLink("alice");
  });

  it("is limited to ten open ones a session", async (t) => {
    const harness = await open(t);
    await harness.createSession("alice", false);
    await harness.createSession("bob", false);
    const links = [await harness.createLink("alice", minuteMs)];
    while (links.length < 10) links.push(await harness.createLink("alice"));
    assert.deepEqual((await refusal(harness.createLink("alice"))).reason, "TOO_MANY_PAIRING_LINKS");
    await harness.createLink("bob");
    const { links: listed } = await harness.auth.listPairingLinks({ session: "alice" }, withKey);
    assert.deepEqual(
      listed.map(({ id }) => id),
      links.map(({ id }) => id),
    );
    assert.doesNotMatch(
      JSON.stringify(listed, (_, value) => (typeof value === "bigint" ? String(value) : value)),
      new RegExp(links[0]?.token ?? "?"),
    );
    await harness.auth.revokePairingLink({ session: "alice", id: links[5]?.id ?? "" }, withKey);
    await harness.auth.revokePairingLink({ session: "alice", id: links[5]?.id ?? "" }, withKey);
    await harness.createLink("alice");
    harness.clock.advance(minuteMs);
    assert.equal((await harness.auth.listPairingLinks({ session: "alice" }, withKey)).links.length, 9);
    await harness.createLink("alice");
  });

  it("is refused while the dashboard is off, and existing links open nothing", async (t) => {
    const harness = await open(t, { SESSIOND_DASHBOARD: "off" });
    await harness.createSession("alice", false);
    assert.equal((await refusal(harness.createLink("alice"))).reason, "DASHBOARD_OFF");
    assert.deepEqual((await harness.auth.listPairingLinks({ session: "alice" }, withKey)).links, []);
  });

  it("works by REST", async (t) => {
    const { url, createSession } = await open(t);
    await createSession("alice", false);
    const rest = async (
      method: string,
      path: string,
      body?: object,
      headers: Record<string, string> = withKey.headers,
    ) => {
      const init = { method, headers: { ...headers, "content-type": "application/json" } };
      const answer = await fetch(url + path, { ...init, ...(body && { body: JSON.stringify(body) }) });
      const text = await answer.text();
      return {
        status: answer.status,
        body: text === "" ? {} : JSON.parse(text),
        cache: answer.headers.get("cache-control"),
      };
    };
    const path = "/api/alice/auth/pairing-links";
    assert.deepEqual((await rest("GET", path)).body, { links: [] });
    const made = await rest("POST", path, { ttl: "600s" });
    assert.deepEqual([made.status, made.cache], [201, "no-store"]);
    const token = String(made.body.url).replace("/pair#", "");
    assert.match(token, /^[0-9a-f]{64}$/);
    assert.deepEqual((await rest("GET", path)).body, { links: [{ id: made.body.id, expiresAt: made.body.expiresAt }] });
    const bearer = { "x-pairing-token": token };
    assert.deepEqual((await rest("GET", "/api/pairing-link", undefined, bearer)).body, {
      session: "alice",
      expiresAt: made.body.expiresAt,
    });
    assert.equal((await rest("GET", "/api/sessions", undefined, bearer)).status, 401);
    assert.equal((await rest("DELETE", `${path}/${made.body.id}`)).status, 200);
    assert.equal((await rest("GET", "/api/pairing-link", undefined, bearer)).status, 401);
    assert.equal((await rest("GET", "/api/pairing-link")).status, 400);
    assert.equal((await rest("POST", path, { ttl: "25h" })).status, 400);
  });
});
