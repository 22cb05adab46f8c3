import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { create } from "@bufbuild/protobuf";
import { QrStreamResponse_Outcome_Result as Result } from "../../gen/sessiond/v1/auth_service_pb.js";
import { Engine_Kind, MeSchema, type Session, Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import { StatusStreamResponse_Kind as Kind } from "../../gen/sessiond/v1/session_service_pb.js";
import { openHarness, refusal } from "./harness.ts";

const session = "alice";
const me = create(MeSchema, { id: "7911@c.us", pushName: "Alice" });
const unknown = { code: "NotFound", reason: "SESSION_NOT_FOUND", message: "Session not found", metadata: { session } };
const notStarted = {
  code: "NotFound",
  reason: "SESSION_NOT_STARTED",
  message:
    "We didn't find a session with name 'alice'.\nPlease start it first by using POST /api/sessions/alice/start request",
  metadata: { session },
};
const statusOf = (answer: { session?: Session | undefined }) => Status[answer.session?.status ?? 0];
const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);

/** Opens a harness with the session alice and its engine. */
async function withAlice(t: TestContext) {
  const harness = await openHarness(t);
  await harness.sessions.createSession({ name: session });
  return harness;
}

/** Opens the same with a code to scan. */
async function scanning(t: TestContext) {
  const harness = await withAlice(t);
  harness.engine().offer("2@a");
  await harness.until(session, Status.SCAN_QR_CODE);
  return harness;
}

async function working(t: TestContext) {
  const harness = await withAlice(t);
  harness.engine().report({ type: "opened", me });
  await harness.until(session, Status.WORKING);
  return harness;
}

describe("SessionService", () => {
  it("creates, stops, starts, restarts, logs out and deletes a session", async (t) => {
    const { sessions } = await openHarness(t);
    const created = await sessions.createSession({ name: session, config: { metadata: { tier: "gold" } } });
    assert.deepEqual([created.session?.name, created.session?.engine?.engine], [session, Engine_Kind.NOWEB]);
    assert.equal(statusOf(created), "STARTING");
    assert.equal(statusOf(await sessions.stopSession({ session })), "STOPPED");
    assert.equal(statusOf(await sessions.startSession({ session })), "STARTING");
    assert.equal(statusOf(await sessions.restartSession({ session })), "STARTING");
    assert.equal(statusOf(await sessions.logoutSession({ session })), "STARTING");
    assert.deepEqual((await sessions.getSession({ session })).session?.config?.metadata, { tier: "gold" });
    await sessions.deleteSession({ session });
    await sessions.deleteSession({ session });
    assert.deepEqual(await refusal(sessions.getSession({ session })), unknown);
  });

  it("makes up missing names, can defer the start, and refuses a taken name", async (t) => {
    const { sessions } = await openHarness(t);
    const { session: made } = await sessions.createSession({ start: false, engine: Engine_Kind.WEBJS });
    assert.match(made?.name ?? "", /^session_[0-9a-f]{32}$/);
    assert.deepEqual([made?.status, made?.engine?.engine], [Status.STOPPED, Engine_Kind.WEBJS]);
    await sessions.createSession({ name: session });
    assert.deepEqual(await refusal(sessions.createSession({ name: session })), {
      code: "AlreadyExists",
      reason: "SESSION_ALREADY_EXISTS",
      message: "Session 'alice' already exists. Use PUT to update it.",
      metadata: { session },
    });
  });

  it("answers NOT_FOUND for a session that does not exist", async (t) => {
    const { sessions, auth } = await openHarness(t);
    const calls = [
      sessions.getSession({ session }),
      sessions.updateSession({ session }),
      sessions.startSession({ session }),
      sessions.stopSession({ session }),
      sessions.restartSession({ session }),
      sessions.logoutSession({ session }),
      sessions.getMe({ session }),
      auth.authorizeCode({ session, code: "1" }),
    ];
    for (const call of calls) assert.deepEqual(await refusal(call), unknown);
  });

  it("lists sessions by name, stopped ones on demand, and filters by metadata", async (t) => {
    const { sessions } = await openHarness(t);
    const config = { metadata: { team: "a" } };
    await sessions.createSession({ name: "carol", config });
    await sessions.createSession({ name: "alice" });
    await sessions.createSession({ name: "bob", start: false, config });
    const names = async (filter: Parameters<typeof sessions.listSessions>[0]) =>
      (await sessions.listSessions(filter)).sessions.map(({ name }) => name);
    assert.deepEqual(await names({}), ["alice", "carol"]);
    assert.deepEqual(await names({ all: true }), ["alice", "bob", "carol"]);
    assert.deepEqual(await names({ all: true, metadata: { team: "a" } }), ["bob", "carol"]);
    assert.deepEqual(await names({ metadata: { team: "a", more: "" } }), []);
  });

  it("shows secrets as *** and accepts *** only where a secret is stored", async (t) => {
    const { sessions } = await withAlice(t);
    const webhook = (key: string) => ({ config: { webhooks: [{ url: "http://a.test", hmac: { key } }] } });
    await sessions.updateSession({ session, ...webhook("secret") });
    const { session: shown } = await sessions.getSession({ session });
    assert.equal(shown?.config?.webhooks[0]?.hmac?.key, "***");
    await sessions.updateSession({ session, ...webhook("***") });
    const refused = await refusal(sessions.createSession({ name: "bob", ...webhook("***") }));
    assert.deepEqual(
      [refused.code, refused.message],
      ["InvalidArgument", "config.webhooks.0.hmac.key must not be ***"],
    );
  });

  it("shows the account once it is known, and not for a stopped session", async (t) => {
    const { sessions } = await working(t);
    assert.deepEqual((await sessions.getMe({ session })).me, me);
    await sessions.stopSession({ session });
    assert.equal((await sessions.getMe({ session })).me, undefined);
  });

  it("returns the browser's page or the QR code as screenshot, else refuses", async (t) => {
    const { sessions, engine, until } = await openHarness(t);
    assert.equal((await refusal(sessions.getScreenshot({ session }))).reason, "SESSION_NOT_STARTED");
    await sessions.createSession({ name: "browser", engine: Engine_Kind.WEBJS });
    const page = await sessions.getScreenshot({ session: "browser" });
    assert.deepEqual([page.contentType, text(page.data)], ["image/png", "page"]);
    await sessions.createSession({ name: "default" });
    const refused = await refusal(sessions.getScreenshot({}));
    assert.deepEqual(
      [refused.reason, refused.message],
      ["NOT_A_BROWSER", "Can not get screenshot for non chrome based engine."],
    );
    engine().offer("2@a");
    await until("default", Status.SCAN_QR_CODE);
    assert.equal(text((await sessions.getScreenshot({})).data), "drawn 2@a");
  });

  it("starts, stops and removes the default session by the deprecated calls", async (t) => {
    const { sessions } = await openHarness(t);
    const started = await sessions.startSessionDeprecated({ config: { debug: true } });
    assert.deepEqual([started.name, started.status, started.config?.debug], ["default", Status.STARTING, true]);
    assert.equal((await refusal(sessions.startSessionDeprecated({}))).message, "Session 'default' is already started.");
    await sessions.stopSessionDeprecated({});
    assert.equal(statusOf(await sessions.getSession({ session: "default" })), "STOPPED");
    await sessions.startSessionDeprecated({ name: "default" });
    await sessions.logoutSessionDeprecated({});
    await sessions.startSessionDeprecated({});
    await sessions.stopSessionDeprecated({ logout: true });
    assert.deepEqual((await sessions.listSessions({ all: true })).sessions, []);
  });

  it("streams the current status and each following one once, to the end", async (t) => {
    const { sessions, engine, until } = await withAlice(t);
    const told: string[] = [];
    const began = Promise.withResolvers<void>();
    const seqs: bigint[] = [];
    const read = async () => {
      for await (const item of sessions.statusStream({ session })) {
        told.push(`${Kind[item.kind]} ${Status[item.status]} ${item.me?.pushName ?? ""}`.trim());
        seqs.push(item.seq);
        began.resolve();
      }
    };
    const done = read();
    await began.promise;
    engine().offer("2@a");
    engine().offer("2@b", 2);
    engine().report({ type: "opened", me });
    await until(session, Status.WORKING);
    await sessions.stopSession({ session });
    await sessions.deleteSession({ session });
    await done;
    assert.deepEqual(told, [
      "SNAPSHOT STARTING",
      "CHANGE SCAN_QR_CODE",
      "CHANGE SCAN_QR_CODE",
      "CHANGE WORKING Alice",
      "CHANGE STOPPED",
      "DELETED STOPPED",
    ]);
    assert.deepEqual(
      seqs,
      [...new Set(seqs)].sort((a, b) => Number(a - b)),
    );
  });

  it("ends streams with UNAVAILABLE when the server stops", async (t) => {
    const { sessions, auth, stop } = await withAlice(t);
    const statuses = sessions.statusStream({})[Symbol.asyncIterator]();
    const codes = auth.qrStream({ session })[Symbol.asyncIterator]();
    await statuses.next();
    const ends = [refusal(statuses.next()), refusal(codes.next())];
    await sessions.getSession({ session });
    await stop();
    for (const end of ends) assert.equal((await end).code, "Unavailable");
  });
});

describe("AuthService", () => {
  it("returns the code as a message, as a picture and as JSON", async (t) => {
    const { auth } = await scanning(t);
    const { qr } = await auth.getQr({ session });
    assert.deepEqual([qr?.value, text(qr?.png), qr?.serial, qr?.remaining], ["2@a", "drawn 2@a", 1, 5]);
    const image = await auth.getQrBody({ session });
    assert.deepEqual([image.contentType, text(image.data)], ["image/png", "drawn 2@a"]);
    const raw = await auth.getQrBody({ session, format: "raw" });
    assert.deepEqual([raw.contentType, text(raw.data)], ["application/json; charset=utf-8", '{"value":"2@a"}']);
  });

  it("waits for a STARTING session, but not for long", async (t) => {
    const { auth, clock, engine, until } = await withAlice(t);
    const first = auth.getQr({ session });
    engine().offer("2@a");
    assert.equal((await first).qr?.value, "2@a");
    engine().report({ type: "closed", cause: "unreachable", message: "lost" });
    await until(session, Status.STARTING);
    const timers = clock.pending;
    const late = refusal(auth.getQr({ session }));
    while (clock.pending === timers) await new Promise(setImmediate);
    clock.advance(5_000);
    const { code, metadata } = await late;
    assert.deepEqual([code, metadata?.status], ["FailedPrecondition", "STARTING"]);
  });

  it("refuses a code for a session that is not started or already paired", async (t) => {
    const { auth, sessions } = await working(t);
    const unexpected = {
      code: "FailedPrecondition",
      reason: "SESSION_STATUS_UNEXPECTED",
      message: "Session status is not as expected. Try again later or restart the session",
      metadata: { session, status: "WORKING", expected: "SCAN_QR_CODE" },
    };
    assert.deepEqual(await refusal(auth.getQr({ session })), unexpected);
    assert.deepEqual(await refusal(auth.getQrBody({ session })), unexpected);
    const { reason, message } = await refusal(auth.requestCode({ session, phoneNumber: "12132132130" }));
    assert.equal(reason, "CODE_STATUS_UNEXPECTED");
    assert.equal(message, "Can request code only in SCAN_QR_CODE status. The current status is WORKING");
    await sessions.stopSession({ session });
    const stopped = [
      auth.getQr({ session }),
      auth.getQrBody({ session }),
      auth.requestCode({ session, phoneNumber: "1234567" }),
    ];
    for (const call of stopped) assert.deepEqual(await refusal(call), notStarted);
    assert.deepEqual(await refusal(auth.qrStream({ session })[Symbol.asyncIterator]().next()), notStarted);
  });

  it("returns a pairing code for a phone number", async (t) => {
    const { auth } = await scanning(t);
    assert.equal((await auth.requestCode({ session, phoneNumber: "+1 213 213 2130" })).code, "CODE-1213");
    const refused = await refusal(auth.requestCode({ session, phoneNumber: "12132132130", method: "sms" }));
    assert.deepEqual([refused.code, refused.reason], ["Unimplemented", "METHOD_NOT_SUPPORTED"]);
    const authorized = await refusal(auth.authorizeCode({ session, code: "123456" }));
    assert.deepEqual(
      [authorized.code, authorized.message],
      ["Unimplemented", "The method is not implemented by the engine."],
    );
  });

  it("streams the code, the next one, the pairing code, and the paired account", async (t) => {
    const { auth, engine } = await scanning(t);
    const told: string[] = [];
    const next = async (act: () => unknown) => {
      const result = await items.next();
      if (result.done) return;
      const { item } = result.value;
      if (item.case === "qr") told.push(`${item.value.value} ${text(item.value.png)}`);
      if (item.case === "pairingCode") told.push(item.value);
      if (item.case === "outcome") told.push(`${Result[item.value.result]} ${item.value.me?.id}`);
      await act();
    };
    const items = auth.qrStream({ session })[Symbol.asyncIterator]();
    await next(() => engine().offer("2@b", 2));
    await next(() => auth.requestCode({ session, phoneNumber: "12132132130" }));
    await next(() => engine().report({ type: "paired", me }));
    await next(() => {});
    assert.deepEqual(told, ["2@a drawn 2@a", "2@b drawn 2@b", "CODE-1213", "PAIRED 7911@c.us"]);
    assert.equal((await items.next()).done, true);
  });
});
