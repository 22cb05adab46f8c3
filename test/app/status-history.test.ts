import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { SessionRecordSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import { type Event, EventSchema } from "../../gen/sessiond/v1/event_pb.js";
import { Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import { openMemoryBackend } from "../../src/adapters/memory/backend.ts";
import { statusHistory } from "../../src/app/status-history.ts";
import { SessionError } from "../../src/domain/errors.ts";
import { epochMs, FakeClock } from "../support/fake-clock.ts";

const atMs = (step: number) => timestampFromMs(epochMs + step);

/** Creates the event of a status that began at step `since` and was announced at step `now`. */
const statusAt = (status: Status, since: number, now = since): Event =>
  create(EventSchema, {
    session: "alice",
    name: "session.status",
    time: atMs(now),
    payload: { case: "sessionStatus", value: { status, statuses: [{ status, time: atMs(since) }] } },
  });
const message = () =>
  create(EventSchema, { session: "alice", name: "message", payload: { case: "message", value: {} } });

/** Opens a backend with a session and its events. */
async function withEvents(t: TestContext, events: readonly Event[]) {
  const clock = new FakeClock();
  const backend = openMemoryBackend({ clock });
  t.after(() => backend.upkeep.close());
  const lease = await backend.sessions.acquire("alice");
  const record = create(SessionRecordSchema, { name: "alice" });
  await backend.sessions.commit(lease, { record, events: events.map((event) => ({ event, endpointIds: [] })) });
  /** Returns the statuses of each page. */
  const walk = async (pageSize: number) => {
    const pages: string[] = [];
    for (let pageToken = ""; ; ) {
      const page = await statusHistory(backend, "alice", { pageSize, pageToken });
      const names = page.events.map(({ payload }) => payload.case === "sessionStatus" && Status[payload.value.status]);
      pages.push(`${names.join(" ")}${page.isTrimmed ? " trimmed" : ""}`);
      if (page.nextPageToken === "") return pages;
      pageToken = page.nextPageToken;
    }
  };
  return { backend, clock, walk };
}

const { STARTING, SCAN_QR_CODE, WORKING, FAILED } = Status;

describe("the history of a session's statuses", () => {
  const events = [
    statusAt(STARTING, 1),
    statusAt(SCAN_QR_CODE, 2),
    statusAt(SCAN_QR_CODE, 2, 3),
    message(),
    statusAt(WORKING, 4),
    create(EventSchema, { ...statusAt(WORKING, 4, 5), name: "session.updated" }),
    message(),
    statusAt(FAILED, 6),
  ];

  for (const [pageSize, pages] of [
    [10, ["FAILED WORKING SCAN_QR_CODE STARTING"]],
    [3, ["FAILED WORKING SCAN_QR_CODE", "STARTING"]],
    [4, ["FAILED WORKING SCAN_QR_CODE STARTING", ""]],
    [1, ["FAILED", "WORKING", "SCAN_QR_CODE", "STARTING", ""]],
  ] as const) {
    it(`has each status once, newest first, ${pageSize} on a page`, async (t) => {
      const { walk } = await withEvents(t, events);
      assert.deepEqual(await walk(pageSize), pages);
    });
  }

  it("reads a bounded number of events for each page", async (t) => {
    const messages = Array.from({ length: 4_500 }, message);
    const { walk } = await withEvents(t, [statusAt(WORKING, 1), ...messages, statusAt(FAILED, 2)]);
    assert.deepEqual(await walk(10), ["FAILED", "", "WORKING"]);
  });

  it("tells that older statuses were trimmed", async (t) => {
    const { backend, clock, walk } = await withEvents(t, events);
    const all = { maxCount: 100, maxAgeMs: 1e15 };
    await backend.upkeep.trim(
      { events: { ...all, maxCount: 4 }, delivered: all, failed: all },
      clock.wallMs(),
      new AbortController().signal,
    );
    assert.deepEqual(await walk(10), ["FAILED WORKING trimmed"]);
  });

  it("of a missing session is refused, and so is a token of something else", async (t) => {
    const { backend } = await withEvents(t, []);
    const refusal = (session: string, pageToken: string) =>
      statusHistory(backend, session, { pageSize: 1, pageToken }).catch((error: unknown) =>
        error instanceof SessionError ? error.message : error,
      );
    assert.equal(await refusal("nobody", ""), "Session not found");
    for (const token of ["x", "-1", "1.5", "9".repeat(30)]) {
      assert.equal(await refusal("alice", token), "pageToken must be the nextPageToken of a page");
    }
  });
});
