import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { HealthCheckResponse_ServingStatus as ServingStatus } from "../../gen/health/v1/health_pb.js";
import { Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import { StatusStreamResponse_Kind as Kind } from "../../gen/sessiond/v1/session_service_pb.js";
import { collect, take } from "../support/async-items.ts";
import { readEvents, type SentEvent } from "./event-source.ts";
import { openHarness } from "./harness.ts";
import { ServerProcess } from "./server-process.ts";
import { connectGrpc, nowhere, toggle } from "./stream-clients.ts";

const codeOf = async (call: Promise<unknown>) =>
  call.then(
    () => "ok",
    (error: unknown) => Code[ConnectError.from(error).code],
  );

describe("streams over gRPC", () => {
  it("events continue after a consumer's acknowledgement, also after a crash", async () => {
    await using server = await ServerProcess.start(nowhere);
    using before = connectGrpc(server.baseUrl);
    const first = take(1, before.events.streamEvents({ consumer: "billing" }));
    await before.sessions.createSession({ name: "alice" });
    const [created] = await first;
    assert.equal(created?.item.case, "event");
    assert.equal(created?.item.case === "event" && created.item.value.payload.case, "sessionStatus");
    const cursor = created?.seq ?? 0n;
    await toggle(before, "alice", 3);
    assert.deepEqual(await before.events.ackEvents({ consumer: "billing", cursor }), {
      $typeName: "sessiond.v1.AckEventsResponse",
      cursor,
    });
    assert.equal((await before.events.ackEvents({ consumer: "billing", cursor: 0n })).cursor, cursor);
    assert.equal(await codeOf(before.events.ackEvents({ consumer: "billing", cursor: 1n << 40n })), "InvalidArgument");

    await server.kill("SIGKILL");
    await server.restart();
    using after = connectGrpc(server.baseUrl);
    const rest = await take(3, after.events.streamEvents({ consumer: "billing", names: ["session.status"] }));
    assert.deepEqual(
      rest.map(({ item }) =>
        item.case === "event" && item.value.payload.case === "sessionStatus" ? item.value.payload.value.status : item,
      ),
      [Status.STOPPED, Status.STARTING, Status.STOPPED],
    );
    const whole = await take(4, after.events.streamEvents({ sessions: ["alice"], cursor: 0n }));
    assert.deepEqual(whole.slice(1), rest);
  });

  it("heartbeats come as configured, and a stream at its age limit ends with UNAVAILABLE", async () => {
    const env = { ...nowhere, SESSIOND_STREAM_HEARTBEAT_SECONDS: "0.2", SESSIOND_STREAM_MAX_AGE_SECONDS: "2" };
    await using server = await ServerProcess.start(env);
    using client = connectGrpc(server.baseUrl);
    const kinds: Kind[] = [];
    const ended = (async () => {
      for await (const { kind, time } of client.sessions.statusStream({})) {
        kinds.push(kind);
        assert.ok(time);
      }
    })();
    assert.equal(await codeOf(ended), "Unavailable");
    assert.ok(kinds.length >= 2 && kinds.every((kind) => kind === Kind.HEARTBEAT), String(kinds));
  });

  it("the number of streams is limited, and ended ones make room", async () => {
    await using server = await ServerProcess.start({ ...nowhere, SESSIOND_MAX_STREAMS: "2" });
    using client = connectGrpc(server.baseUrl);
    await client.sessions.createSession({ name: "alice" });
    const open = async (signal = new AbortController().signal) => {
      await client.sessions.statusStream({ session: "alice" }, { signal })[Symbol.asyncIterator]().next();
    };
    const leaving = new AbortController();
    await open(leaving.signal);
    await open();
    assert.equal(await codeOf(open()), "ResourceExhausted");
    leaving.abort();
    // The server notices it a moment later.
    let third = await codeOf(open());
    for (const deadline = Date.now() + 10_000; third !== "ok" && Date.now() < deadline; ) third = await codeOf(open());
    assert.equal(third, "ok");
  });

  it("a request of more than 4 MiB is refused", async () => {
    await using server = await ServerProcess.start(nowhere);
    using client = connectGrpc(server.baseUrl);
    const metadata = { large: "x".repeat(5 * 1024 * 1024) };
    assert.equal(
      await codeOf(client.sessions.createSession({ name: "alice", config: { metadata } })),
      "ResourceExhausted",
    );
  });

  it("health is available for the server and each service without a key", async () => {
    await using server = await ServerProcess.start({ ...nowhere, WAHA_API_KEY: "secret" });
    using client = connectGrpc(server.baseUrl);
    assert.equal((await client.health.check({})).status, ServingStatus.SERVING);
    assert.equal((await client.health.check({ service: "sessiond.v1.EventService" })).status, ServingStatus.SERVING);
    assert.equal(await codeOf(client.health.check({ service: "nobody" })), "NotFound");
    const { statuses } = await client.health.list({});
    assert.equal(statuses["sessiond.v1.AuthService"]?.status, ServingStatus.SERVING);
    const [unknown] = await take(1, client.health.watch({ service: "nobody" }));
    assert.equal(unknown?.status, ServingStatus.SERVICE_UNKNOWN);
    assert.equal(await codeOf(client.sessions.listSessions({})), "Unauthenticated");
  });
});

describe("streams as server-sent events", () => {
  const isChange = ({ data }: SentEvent) => data.kind !== "KIND_HEARTBEAT";

  it("statuses have their position as id and continue after the last one read", async () => {
    await using server = await ServerProcess.start({ ...nowhere, WAHA_HTTP_STRICT_MODE: "true" });
    using client = connectGrpc(server.baseUrl);
    await client.sessions.createSession({ name: "alice", config: { metadata: { team: "a" } } });
    await client.sessions.createSession({ name: "bob" });
    const url = `${server.baseUrl}/api/status-stream?metadata.team=a&sessions=alice&sessions=bob`;
    const [snapshot] = await take(1, readEvents(url));
    assert.equal(snapshot?.data.kind, "KIND_SNAPSHOT");
    assert.equal(snapshot?.data.name, "alice");
    assert.match(String(snapshot?.id), /^[1-9]\d*$/);
    await toggle(client, "alice", 4);
    const lastEventId = snapshot?.id ?? "";
    const changes = await take(4, readEvents(url, { lastEventId }), isChange);
    assert.deepEqual(
      changes.map(({ data }) => `${data.previousStatus} ${data.status} ${data.changed}`),
      ["STARTING STOPPED status", "STOPPED STARTING status", "STARTING STOPPED status", "STOPPED STARTING status"],
    );
    const again = await take(2, readEvents(url, { lastEventId: String(changes[1]?.id) }), isChange);
    assert.deepEqual(again, changes.slice(2));
    const until = await collect(readEvents(`${server.baseUrl}/api/sessions/alice/status-stream?until=STARTING`));
    assert.deepEqual(
      until.map(({ data }) => data.status),
      ["STARTING"],
    );
  });

  it("events continue after the last one read", async () => {
    await using server = await ServerProcess.start(nowhere);
    using client = connectGrpc(server.baseUrl);
    await client.sessions.createSession({ name: "alice" });
    await toggle(client, "alice", 3);
    const url = `${server.baseUrl}/api/events?cursor=0&names=session.status`;
    const events = await take(4, readEvents(url));
    assert.deepEqual(
      events.map(({ data }) => (data.event as SentEvent["data"]).name),
      Array(4).fill("session.status"),
    );
    const rest = await take(2, readEvents(url, { lastEventId: String(events[1]?.id) }));
    assert.deepEqual(rest, events.slice(2));
    const refused = await fetch(`${server.baseUrl}/api/events?names=nothing`);
    assert.equal(refused.status, 400);
  });

  it("a ticket opens streams, for a minute, and nothing else", async () => {
    await using server = await ServerProcess.start({ ...nowhere, WAHA_API_KEY: "secret" });
    const headers = { "x-api-key": "secret" };
    const ask = (path: string, init: RequestInit = {}) => fetch(server.baseUrl + path, init);
    assert.equal((await ask("/api/stream-tickets", { method: "POST" })).status, 401);
    const answer = await ask("/api/stream-tickets", { method: "POST", headers });
    assert.equal(answer.status, 201);
    const { ticket, expiresAt } = (await answer.json()) as { ticket: string; expiresAt: string };
    assert.match(ticket, /^[0-9a-f]{64}$/);
    assert.ok(Date.parse(expiresAt) > Date.now() && Date.parse(expiresAt) < Date.now() + 61_000);

    const [beat] = await take(1, readEvents(`${server.baseUrl}/api/status-stream?ticket=${ticket}`));
    assert.equal(beat?.data.kind, "KIND_HEARTBEAT");
    assert.equal((await ask(`/api/status-stream?ticket=${"0".repeat(64)}`)).status, 401);
    assert.equal((await ask("/api/status-stream", { headers: { "x-stream-ticket": ticket } })).status, 401);
    assert.equal((await ask(`/api/sessions?ticket=${ticket}`)).status, 401);
    assert.equal((await ask(`/api/stream-tickets?ticket=${ticket}`, { method: "POST" })).status, 401);
  });

  it("codes have a position; the next follows, and a returning reader learns of a stop", async () => {
    await using harness = await openHarness();
    const { server, rest, whatsapp } = harness;
    await rest.post("/api/sessions", { name: "alice" });
    const url = `${server.baseUrl}/api/alice/auth/qr-stream`;
    const [qr] = await take(1, readEvents(url));
    const { value, png, serial, remaining, issuedAt, expiresAt } = (qr?.data.qr ?? {}) as Record<string, unknown>;
    assert.ok(value && png && issuedAt && expiresAt);
    assert.deepEqual([serial, remaining], [1, 5]);
    assert.match(String(qr?.id), /^[1-9]\d*$/);
    await rest.post("/api/sessions/alice/stop");
    const back = await collect(readEvents(url, { lastEventId: String(qr?.id) }));
    assert.deepEqual(
      back.map(({ data }) => data.outcome),
      [{ result: "RESULT_CANCELLED" }],
    );
    assert.equal((await fetch(url)).status, 404);
    assert.deepEqual(whatsapp.faults, []);
  });
});
