import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema } from "../../gen/google/rpc/error_details_pb.js";
import {
  Engine_Kind as Engine,
  MeSchema,
  Session_StatusReason as Reason,
  Session_Remedy as Remedy,
  Session_Status as Status,
  Session_View as View,
} from "../../gen/sessiond/v1/session_pb.js";
import { StatusStreamResponse_Kind as Kind } from "../../gen/sessiond/v1/session_service_pb.js";
import { openHarness } from "./harness.ts";

const me = create(MeSchema, { id: "7911@c.us", pushName: "Alice" });

/** Returns the fields and codes with which a call was refused. */
async function violated(call: Promise<unknown>): Promise<string[]> {
  const error = await call.then(
    () => new Error("it was answered"),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ConnectError)) throw error;
  const [details] = error.findDetails(BadRequestSchema);
  return [Code[error.code] ?? "", ...(details?.fieldViolations ?? []).map(({ field }) => field)];
}

/** Opens a harness with stopped sessions of these names. */
async function withSessions(t: TestContext, count: number) {
  const harness = await openHarness(t);
  for (let n = 0; n < count; n += 1) {
    const config = { metadata: { n: String(n) }, webhooks: [{ url: "http://a.test", hmac: { key: "secret" } }] };
    await harness.sessions.createSession({ name: `s${n}`, start: false, config });
  }
  return harness;
}

describe("ListSessions", () => {
  it("answers as before without a page or a filter, with the size beside the list", async (t) => {
    const { sessions } = await withSessions(t, 3);
    let headers = new Headers();
    const onHeader = (header: Headers) => {
      headers = header;
    };
    const answer = await sessions.listSessions({ all: true }, { onHeader });
    assert.deepEqual([answer.sessions.length, answer.nextPageToken, answer.totalSize], [3, "", 3]);
    assert.equal(answer.sessions[0]?.config?.webhooks[0]?.hmac?.key, "***");
    assert.deepEqual([headers.has("total-size"), headers.has("next-page-token")], [false, false]);
  });

  it("walks all sessions in pages, while some come and go", async (t) => {
    const { sessions } = await withSessions(t, 7);
    const seen: string[] = [];
    for (let pageToken = "", page = 0; ; page += 1) {
      const answer = await sessions.listSessions({ all: true, pageSize: 3, pageToken });
      seen.push(...answer.sessions.map(({ name }) => name));
      if (answer.nextPageToken === "") break;
      pageToken = answer.nextPageToken;
      if (page === 0) {
        await sessions.deleteSession({ session: "s0" });
        await sessions.deleteSession({ session: "s4" });
        await sessions.createSession({ name: "s55", start: false });
      }
    }
    assert.deepEqual(seen, ["s0", "s1", "s2", "s3", "s5", "s55", "s6"]);
  });

  it("shows the metadata of a summary, and none of its secrets or webhooks", async (t) => {
    const { sessions } = await withSessions(t, 1);
    const { sessions: found } = await sessions.listSessions({ all: true, view: View.SUMMARY });
    assert.deepEqual(found[0]?.config?.metadata, { n: "0" });
    assert.deepEqual([found[0]?.config?.webhooks, found[0]?.disabledWebhooks], [[], []]);
  });

  it("finds a stopped, a logged out and a failed session by its account", async (t) => {
    const { sessions, engine, until } = await openHarness(t);
    for (const [name, end] of [
      ["stopped", () => sessions.stopSession({ session: "stopped" })],
      ["unlinked", () => engine().report({ type: "closed", cause: "logged_out", message: "removed" })],
      ["banned", () => engine().report({ type: "closed", cause: "banned", message: "banned" })],
    ] as const) {
      await sessions.createSession({ name });
      engine().report({ type: "opened", me });
      await until(name, Status.WORKING);
      await end();
      await until(name, name === "stopped" ? Status.STOPPED : Status.FAILED);
      const { sessions: found } = await sessions.listSessions({ all: true, query: `7911 alice ${name}` });
      assert.deepEqual(
        found.map((one) => [one.name, one.account?.pushName]),
        [[name, "Alice"]],
      );
      assert.equal(found[0]?.me?.id, name === "banned" ? me.id : undefined);
    }
    const { sessions: failed } = await sessions.listSessions({ reason: [Reason.LOGGED_OUT, Reason.BANNED] });
    const remedies = failed.map(({ name, remedy }) => `${name} ${Remedy[remedy]}`);
    assert.deepEqual(remedies, ["banned REQUEST_REVIEW", "unlinked PAIR_AGAIN"]);
    await sessions.deleteSession({ session: "banned" });
    assert.equal((await sessions.listSessions({ all: true, query: "7911" })).totalSize, 2);
  });

  for (const [name, request, fields] of [
    ["a page that is too large", { pageSize: 1001 }, ["pageSize"]],
    ["a query that is too long", { query: "x".repeat(501) }, ["query"]],
    [
      "unknown values",
      { status: [Status.FAILED, 77], reason: [99], engine: [0], view: 9 },
      ["status.1", "reason.0", "engine.0", "view"],
    ],
    ["an unset status", { status: [Status.STATUS_UNSPECIFIED] }, ["status.0"]],
    ["a token of nothing", { pageToken: "abc" }, ["pageToken"]],
  ] as const) {
    it(`refuses ${name}, and names the field`, async (t) => {
      const { sessions } = await openHarness(t);
      const mutable = { ...request, ...("status" in request && { status: [...request.status] }) };
      assert.deepEqual(await violated(sessions.listSessions(mutable as never)), ["InvalidArgument", ...fields]);
    });
  }

  it("refuses a token with another filter", async (t) => {
    const { sessions } = await withSessions(t, 2);
    const { nextPageToken: pageToken } = await sessions.listSessions({ all: true, pageSize: 1 });
    assert.deepEqual(await violated(sessions.listSessions({ pageSize: 1, pageToken })), [
      "InvalidArgument",
      "pageToken",
    ]);
    assert.equal(
      (await sessions.listSessions({ all: true, pageSize: 9, pageToken, view: View.SUMMARY })).sessions.length,
      1,
    );
  });
});

describe("StatusStream", () => {
  it("goes on from a list, without a snapshot", async (t) => {
    const { sessions, engine } = await openHarness(t);
    await sessions.createSession({ name: "alice" });
    const { seq } = await sessions.listSessions({});
    const items = sessions.statusStream({ afterSeq: seq })[Symbol.asyncIterator]();
    const first = items.next();
    engine().offer("2@a");
    const { value } = await first;
    assert.deepEqual([value?.kind, Status[value?.status ?? 0]], [Kind.CHANGE, "SCAN_QR_CODE"]);
  });

  it("with details tells each part of a row as it changes, without a refetch", async (t) => {
    const { sessions, engine, until, clock } = await openHarness(t);
    const metadata = { tier: "gold" };
    await sessions.createSession({ name: "alice", config: { metadata } });
    const told: string[] = [];
    const stream = sessions.statusStream({ details: true })[Symbol.asyncIterator]();
    const next = async () => {
      const { value: item } = await stream.next();
      if (!item) return;
      const { status, changed, attempt, health, account, remedy } = item;
      told.push(
        `${Status[status]} ${changed} ${attempt} ${health} ${account?.pushName ?? ""} ${Remedy[remedy]} ${item.metadata.tier} ${Engine[item.engine]}`,
      );
      return item;
    };
    await next();
    engine().report({ type: "opened", me });
    await next();
    engine().report({ type: "health", healthy: false });
    await next();
    engine().report({ type: "me_changed", me: create(MeSchema, { ...me, pushName: "Ada" }) });
    await next();
    engine().report({ type: "closed", cause: "unreachable", message: "lost" });
    const lost = await next();
    assert.equal(lost?.statusMessage, "lost");
    assert.ok(lost.nextAttemptAt && lost.statusSince);
    await until("alice", Status.STARTING);
    clock.advance(5_000);
    await until("alice", Status.STARTING);
    await sessions.stopSession({ session: "alice" });
    await next();
    await sessions.updateSession({ session: "alice", config: { metadata: { tier: "free" } } });
    await next();
    await sessions.createSession({ name: "bob", start: false, config: { metadata } });
    await next();
    assert.deepEqual(told, [
      "STARTING  0 0  REMEDY_UNSPECIFIED gold NOWEB",
      "WORKING status 0 1 Alice REMEDY_UNSPECIFIED gold NOWEB",
      "WORKING health 0 2 Alice REMEDY_UNSPECIFIED gold NOWEB",
      "WORKING account 0 2 Ada REMEDY_UNSPECIFIED gold NOWEB",
      "STARTING status 1 0 Ada CHECK_NETWORK gold NOWEB",
      "STOPPED status 0 0 Ada REMEDY_UNSPECIFIED gold NOWEB",
      "STOPPED config 0 0 Ada REMEDY_UNSPECIFIED free NOWEB",
      "STOPPED config 0 0  REMEDY_UNSPECIFIED gold NOWEB",
    ]);
  });

  it("without details tells statuses and codes only", async (t) => {
    const { sessions, engine, until } = await openHarness(t);
    await sessions.createSession({ name: "alice" });
    const stream = sessions.statusStream({})[Symbol.asyncIterator]();
    await stream.next();
    engine().report({ type: "opened", me });
    await until("alice", Status.WORKING);
    assert.equal((await stream.next()).value?.status, Status.WORKING);
    engine().report({ type: "health", healthy: false });
    engine().report({ type: "me_changed", me: create(MeSchema, { ...me, pushName: "Ada" }) });
    await sessions.createSession({ name: "bob", start: false });
    await sessions.stopSession({ session: "alice" });
    assert.equal((await stream.next()).value?.status, Status.STOPPED);
  });
});

describe("ListStatusHistory", () => {
  it("tells the statuses with their reasons, newest first", async (t) => {
    const { sessions, engine, until, clock } = await openHarness(t);
    await sessions.createSession({ name: "alice" });
    engine().offer("2@a");
    await until("alice", Status.SCAN_QR_CODE);
    clock.advance(20_000);
    engine().offer("2@b", 2);
    engine().report({ type: "opened", me });
    await until("alice", Status.WORKING);
    engine().report({ type: "closed", cause: "banned", message: "WhatsApp has banned the account" });
    await until("alice", Status.FAILED);
    const { transitions, nextPageToken } = await sessions.listStatusHistory({ session: "alice" });
    assert.deepEqual(
      transitions.map((one) =>
        `${Status[one.previousStatus]} ${Status[one.status]} ${Reason[one.reason]} ${one.message}`.trim(),
      ),
      [
        "WORKING FAILED BANNED WhatsApp has banned the account",
        "SCAN_QR_CODE WORKING STATUS_REASON_UNSPECIFIED",
        "STARTING SCAN_QR_CODE STATUS_REASON_UNSPECIFIED",
        "STATUS_UNSPECIFIED STARTING STATUS_REASON_UNSPECIFIED",
      ],
    );
    assert.equal(nextPageToken, "");
    assert.ok(transitions.every(({ time, seq }) => time && seq > 0n));
    assert.deepEqual(await violated(sessions.listStatusHistory({ session: "alice", pageSize: 501 })), [
      "InvalidArgument",
      "pageSize",
    ]);
    assert.deepEqual(await violated(sessions.listStatusHistory({ session: "a b" })), ["InvalidArgument", "session"]);
  });
});
