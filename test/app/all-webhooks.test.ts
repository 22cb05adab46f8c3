import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { EndpointHealthSchema, EndpointSchema, SessionRecordSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import { EventSchema } from "../../gen/sessiond/v1/event_pb.js";
import {
  WebhookDelivery_State as DeliveryState,
  WebhookEndpoint_State as EndpointState,
} from "../../gen/sessiond/v1/webhook_pb.js";
import { openMemoryBackend } from "../../src/adapters/memory/backend.ts";
import { AllWebhooks, type DeliveryFilter, type EndpointFilter } from "../../src/app/all-webhooks.ts";
import { stateOf } from "../../src/domain/delivery.ts";
import { SessionError } from "../../src/domain/errors.ts";
import { epochMs, FakeClock } from "../support/fake-clock.ts";

const any = { session: "", url: "", endpointId: "" };

/** Opens a backend with sessions that have an endpoint "own" and, except carol, the endpoint "global". */
async function openSessions(t: TestContext) {
  const clock = new FakeClock();
  const backend = openMemoryBackend({ clock });
  t.after(() => backend.upkeep.close());
  const all = new AllWebhooks(backend);
  const leases = new Map<string, Awaited<ReturnType<typeof backend.sessions.acquire>>>();
  const endpointsOf = (session: string) =>
    [
      ["own", `https://user:hunter2@${session}.example/Hook`],
      ["global", "https://hub.example/"],
    ]
      .filter(([id]) => id === "own" || session !== "carol")
      .map(([id = "", url = ""]) => create(EndpointSchema, { id, config: { url, events: ["*"] } }));
  /** Logs events of a session, minute by minute, to be delivered to these endpoints. */
  const happen = async (session: string, minute: number, ...endpointIds: string[]) => {
    const lease = leases.get(session) ?? (await backend.sessions.acquire(session));
    leases.set(session, lease);
    const time = timestampFromMs(epochMs + minute * 60_000);
    const event = create(EventSchema, { id: `evt_${minute}`, name: "message", session, time });
    const record = create(SessionRecordSchema, { name: session });
    await backend.sessions.commit(lease, {
      record,
      events: endpointIds.length > 0 ? [{ event, endpointIds }] : [],
      endpoints: endpointsOf(session),
    });
  };
  for (const session of ["bob", "alice", "carol", "dora"]) await happen(session, 0);
  /** Returns all deliveries that pass, page by page, as "session minute endpoint". */
  const list = async (filter: Partial<DeliveryFilter>, pageSize = 100) => {
    const pages: string[][] = [];
    for (let pageToken = ""; ; ) {
      const page = await all.deliveries(
        { ...any, state: DeliveryState.STATE_UNSPECIFIED, sinceMs: 0, ...filter },
        { pageSize, pageToken },
      );
      pages.push(
        page.deliveries.map(({ session, delivery }) => {
          return `${session} ${delivery.event?.id.slice(4)} ${delivery.endpointId}`;
        }),
      );
      if (page.nextPageToken === "") return pages;
      pageToken = page.nextPageToken;
    }
  };
  const endpoints = async (filter: Partial<EndpointFilter>, pageSize = 0) => {
    const pages: string[][] = [];
    for (let pageToken = ""; ; ) {
      const unfiltered = { session: "", url: "", state: EndpointState.STATE_UNSPECIFIED };
      const page = await all.endpoints({ ...unfiltered, ...filter }, { pageSize, pageToken });
      pages.push(page.items.map(({ session, endpoint }) => `${session} ${endpoint.id}`));
      if (page.nextPageToken === "") return pages;
      pageToken = page.nextPageToken;
    }
  };
  return { backend, all, happen, list, endpoints };
}

/** Logs seven events over the sessions. */
async function withDeliveries(t: TestContext) {
  const opened = await openSessions(t);
  await opened.happen("alice", 1, "own", "global");
  await opened.happen("bob", 2, "global");
  await opened.happen("carol", 3, "own");
  await opened.happen("alice", 4, "own");
  await opened.happen("bob", 5, "own", "global");
  return opened;
}

const newestFirst = [
  "bob 5 own",
  "bob 5 global",
  "alice 4 own",
  "carol 3 own",
  "bob 2 global",
  "alice 1 own",
  "alice 1 global",
];

describe("deliveries over all sessions", () => {
  for (const pageSize of [1, 2, 3, 7, 100]) {
    it(`come newest first, each once, ${pageSize} on a page`, async (t) => {
      const { list } = await withDeliveries(t);
      const pages = await list({}, pageSize);
      assert.deepEqual(pages.flat(), newestFirst);
      assert.equal(pages.length, Math.ceil(newestFirst.length / pageSize));
    });
  }

  for (const [name, filter, expected] of [
    ["one session", { session: "bob" }, ["bob 5 own", "bob 5 global", "bob 2 global"]],
    ["an endpoint's id", { endpointId: "global" }, ["bob 5 global", "bob 2 global", "alice 1 global"]],
    ["a part of the URL, in any case", { url: "BOB.example/hook" }, ["bob 5 own"]],
    ["another part of the URL", { url: "hub" }, ["bob 5 global", "bob 2 global", "alice 1 global"]],
    ["a part of a password in the URL", { url: "hunter2" }, []],
    ["a time", { sinceMs: epochMs + 4 * 60_000 }, ["bob 5 own", "bob 5 global", "alice 4 own"]],
    ["a time and a session", { sinceMs: epochMs + 60_001, session: "alice" }, ["alice 4 own"]],
    ["a state", { state: DeliveryState.FAILED }, []],
    ["a session without any", { session: "dora" }, []],
  ] as const) {
    it(`are filtered by ${name}`, async (t) => {
      const { list } = await withDeliveries(t);
      assert.deepEqual((await list(filter)).flat(), expected);
      assert.deepEqual((await list(filter, 1)).flat(), expected);
    });
  }

  it("stay in place when new ones come between two pages", async (t) => {
    const { all, happen } = await withDeliveries(t);
    const filter = { ...any, state: DeliveryState.STATE_UNSPECIFIED, sinceMs: 0 };
    const first = await all.deliveries(filter, { pageSize: 4, pageToken: "" });
    await happen("dora", 6, "own");
    await happen("bob", 7, "own");
    const second = await all.deliveries(filter, { pageSize: 4, pageToken: first.nextPageToken });
    const minutes = [...first.deliveries, ...second.deliveries].map(({ delivery }) => delivery.event?.id);
    assert.deepEqual(minutes, ["evt_5", "evt_5", "evt_4", "evt_3", "evt_2", "evt_1", "evt_1"]);
  });

  it("are those of many sessions, merged", async (t) => {
    const { happen, list } = await openSessions(t);
    const names = Array.from({ length: 100 }, (_, n) => `s${n % 50}`);
    for (const [minute, name] of names.entries()) await happen(name, minute, "own");
    const expected = names.map((name, minute) => `${name} ${minute} own`).toReversed();
    assert.deepEqual((await list({}, 30)).flat(), expected);
  });

  it("of a missing session are refused, and so is a token of something else", async (t) => {
    const { all } = await openSessions(t);
    const filter = { ...any, state: DeliveryState.STATE_UNSPECIFIED, sinceMs: 0 };
    const refusal = (session: string, pageToken: string) =>
      all
        .deliveries({ ...filter, session }, { pageSize: 1, pageToken })
        .catch((error: unknown) => (error instanceof SessionError ? error.message : error));
    assert.equal(await refusal("nobody", ""), "Session not found");
    assert.equal(await refusal("", "x"), "pageToken must be the nextPageToken of a page");
  });
});

describe("failed deliveries over all sessions", () => {
  /** Fails all deliveries, and disables bob's own endpoint. */
  async function withFailures(t: TestContext) {
    const opened = await withDeliveries(t);
    const { outbox } = opened.backend;
    let open = newestFirst.length;
    const controller = new AbortController();
    for await (const claim of outbox.claims(controller.signal)) {
      await claim.giveUp("answered 500");
      open -= 1;
      if (open === 0) break;
    }
    controller.abort();
    await outbox.setHealth("bob", "own", create(EndpointHealthSchema, { disabledAt: timestampFromMs(epochMs) }));
    return opened;
  }

  for (const [name, filter, expected] of [
    [
      "are all sent again, except those to disabled endpoints",
      {},
      ["bob 5 global", "alice 4 own", "carol 3 own", "bob 2 global", "alice 1 own", "alice 1 global"],
    ],
    ["of a session are sent again", { session: "alice" }, ["alice 4 own", "alice 1 own", "alice 1 global"]],
    ["to a URL are sent again", { url: "hub.example" }, ["bob 5 global", "bob 2 global", "alice 1 global"]],
    ["of an endpoint are sent again", { endpointId: "own" }, ["alice 4 own", "carol 3 own", "alice 1 own"]],
    ["to a URL that no endpoint has are not sent again", { url: "nowhere" }, []],
    ["that were given up earlier are not sent again", { sinceMs: epochMs + 1e9 }, []],
  ] as const) {
    it(name, async (t) => {
      const { all, list, backend } = await withFailures(t);
      assert.equal(await all.resendFailed({ ...any, sinceMs: 0, ...filter }), expected.length);
      assert.deepEqual((await list({ state: DeliveryState.RETRYING })).flat(), expected);
      const [failed] = await backend.outbox.deliveries("bob", {
        state: DeliveryState.FAILED,
        endpointId: "own",
        limit: 1,
      });
      assert.equal(failed && stateOf(failed), DeliveryState.FAILED);
    });
  }

  it("of a missing session are refused", async (t) => {
    const { all } = await openSessions(t);
    await assert.rejects(all.resendFailed({ ...any, session: "nobody", sinceMs: 0 }), { reason: "SESSION_NOT_FOUND" });
  });
});

describe("endpoints over all sessions", () => {
  const everything = ["alice global", "alice own", "bob global", "bob own", "carol own", "dora global", "dora own"];

  for (const pageSize of [0, 1, 2, 5, 100]) {
    it(`come by session, each once, ${pageSize || "any"} on a page`, async (t) => {
      const { endpoints } = await openSessions(t);
      assert.deepEqual((await endpoints({}, pageSize)).flat(), everything);
    });
  }

  it("are filtered by session, URL and state, and counted", async (t) => {
    const { endpoints, all, backend } = await openSessions(t);
    const { outbox } = backend;
    await outbox.setHealth("alice", "own", create(EndpointHealthSchema, { failures: 2 }));
    const disabled = create(EndpointHealthSchema, { failures: 9, disabledAt: timestampFromMs(epochMs) });
    await outbox.setHealth("bob", "global", disabled);
    assert.deepEqual(await endpoints({ state: EndpointState.FAILING }), [["alice own"]]);
    assert.deepEqual(await endpoints({ state: EndpointState.DISABLED }), [["bob global"]]);
    assert.equal((await endpoints({ state: EndpointState.HEALTHY })).flat().length, 5);
    assert.deepEqual(await endpoints({ session: "carol" }), [["carol own"]]);
    assert.deepEqual(await endpoints({ url: "DORA" }), [["dora own"]]);
    const filter = { session: "", url: "hub", state: EndpointState.STATE_UNSPECIFIED };
    const { items, totalSize } = await all.endpoints(filter, { pageSize: 1, pageToken: "" });
    assert.deepEqual([items.length, totalSize], [1, 3]);
  });
});
