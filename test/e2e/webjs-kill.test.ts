import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { temporaryDirectoryOf } from "../../src/adapters/wwebjs/profile.ts";
import type { Webhook } from "./webhook-inbox.ts";
import { openWebjsHarness } from "./webjs-harness.ts";

/** Set SESSIOND_TEST_WEBJS_KILLS=20 for the long run. */
const rounds = Number(process.env.SESSIOND_TEST_WEBJS_KILLS ?? 1);
/** Range of the moment at which a start is killed. */
const startMs = 1_000;
/** Time within which an effective kill has led to another browser. */
const noticeMs = 5_000;
/** Approximate time of a logout or a deletion. */
const leaveMs = 300;
/** Kills of a session to which messages are sent. */
const killsPerSession = 2;
/** Largest number of sent messages without a webhook. On a slow machine the server would fall behind without end. */
const maxUnderWay = 100;
/** Time limit for Chromium to end after its server. */
const endLimitMs = 5_000;

type Harness = Awaited<ReturnType<typeof openWebjsHarness>>;

/** Brings a new session to a status. Resolves with the status to which it must return by itself. */
const statuses = {
  "the first STARTING": async ({ rest }: Harness, session: string) => {
    await rest.post("/api/sessions", { name: session });
    await delay(Math.random() * startMs);
    return "SCAN_QR_CODE";
  },
  SCAN_QR_CODE: async ({ rest }: Harness, session: string) => {
    await rest.post("/api/sessions", { name: session });
    return rest.untilStatus(session, "SCAN_QR_CODE");
  },
  "STARTING with a login": async ({ rest, pair }: Harness, session: string) => {
    await rest.post("/api/sessions", { name: session });
    await pair(session);
    await rest.post(`/api/sessions/${session}/restart`);
    await delay(Math.random() * startMs);
    return "WORKING";
  },
  WORKING: async ({ rest, pair }: Harness, session: string) => {
    await rest.post("/api/sessions", { name: session });
    await pair(session);
    return "WORKING";
  },
} as const satisfies Record<string, (harness: Harness, session: string) => Promise<string>>;

/** Kills a process. Resolves with whether there was one. */
const victims = {
  "the browser's first process": async ({ browsers }: Harness) => kill([await browsers.main()]),
  "the page's process": async ({ browsers }: Harness) => kill(await browsers.renderers()),
  "the server": async ({ server, browsers }: Harness) => {
    await server.kill("SIGKILL");
    // A process that was about to start is visible only now.
    const endAtMs = Date.now() + endLimitMs;
    let left = await browsers.processes();
    while (left.length > 0 && Date.now() < endAtMs) {
      await delay(20);
      left = await browsers.processes();
    }
    assert.deepEqual(left, [], "no process of a browser is left");
    await server.restart();
    return true;
  },
} as const satisfies Record<string, (harness: Harness) => Promise<boolean>>;

function kill(pids: readonly (number | undefined)[]): boolean {
  const found = pids.filter((pid) => pid !== undefined);
  for (const pid of found) process.kill(pid, "SIGKILL");
  return found.length > 0;
}

/** Returns the webhooks of each message. */
const told = (taken: readonly Webhook[]) =>
  Map.groupBy(
    taken.filter(({ body }) => body.event === "message"),
    ({ body }) => String(body.payload.id).split("_")[2] ?? "",
  );

async function hasRetries({ rest }: Harness, session: string): Promise<boolean> {
  const { body } = await rest.get(`/api/sessions/${session}/webhooks/deliveries?state=RETRYING`);
  return Object.keys(body.deliveries ?? assert.fail()).length > 0;
}

/** Waits until the server has unlinked the devices of former logins and removed their files. */
async function untilUnlinked({ rest }: Harness): Promise<void> {
  while ((await rest.get("/api/server/status")).body.pendingUnlinks) await delay(50);
}

describe("WEBJS sessions come back", () => {
  for (const [victim, strike] of Object.entries(victims)) {
    for (const [status, reach] of Object.entries(statuses)) {
      it(`with nothing left when ${victim} is killed at ${status}`, async () => {
        await using harness = await openWebjsHarness();
        const { rest, browsers } = harness;
        for (let round = 0; round < rounds; round++) {
          const expected = await reach(harness, "alice");
          const first = await browsers.main();
          const struck = await strike(harness);
          // The session looks unchanged until the kill is noticed. A spare renderer without a page is not missed.
          const noticedByMs = Date.now() + noticeMs;
          while (struck && [undefined, first].includes(await browsers.main()) && Date.now() < noticedByMs)
            await delay(20);
          assert.equal(await rest.untilStatus("alice", "WORKING", "SCAN_QR_CODE"), expected);
          assert.ok(await browsers.main(), "a browser runs");
          const profiles = await browsers.profiles();
          await rest.delete("/api/sessions/alice");
          await untilUnlinked(harness);
          assert.deepEqual(await browsers.processes(), []);
          assert.deepEqual(await browsers.profiles(), []);
          for (const profile of profiles) assert.ok(!existsSync(temporaryDirectoryOf(profile)), "no temporary file");
        }
      });
    }
  }

  for (const [victim, strike] of Object.entries(victims)) {
    it(`with every message reported once after ${victim} is killed`, async () => {
      await using harness = await openWebjsHarness();
      const { rest, hook, whatsapp, config, pair } = harness;
      const bob = whatsapp.phone();
      const sent = new Set<string>();
      for (let round = 0; round < rounds; round++) {
        // A new session each time, because repeated failures lead to longer and longer waits.
        const session = `alice${round}`;
        await rest.post("/api/sessions", { name: session, config });
        const phone = await pair(session);
        const ending = new AbortController();
        const sending = (async () => {
          while (!ending.signal.aborted) {
            if (sent.size - told(hook.taken).size < maxUnderWay)
              sent.add(await bob.sendTextTo(phone, `text ${sent.size}`));
            await delay(Math.random() * 50);
          }
        })();
        try {
          for (let kills = 0; kills < killsPerSession; kills++) {
            await delay(Math.random() * startMs);
            const [device] = phone.devices;
            const page = device?.page;
            if (!(await strike(harness))) continue;
            await whatsapp.until(() => device?.page !== undefined && device.page !== page);
            await rest.untilStatus(session, "WORKING");
          }
        } finally {
          ending.abort();
          await sending;
        }
        await whatsapp.until(() => phone.devices.every(({ waiting }) => waiting.size === 0));
        // Messages are reported in the order in which they were sent, so the last one tells that the others were reported.
        const last = await bob.sendTextTo(phone, "the last");
        sent.add(last);
        await hook.until((taken) => told(taken).has(last));
        // A failed post is repeated, and may come after the last message.
        while (await hasRetries(harness, session)) await delay(50);
        const known = told(hook.taken);
        const missing = [...sent].filter((id) => !known.has(id));
        assert.deepEqual(missing, [], `of ${sent.size}, in round ${round}`);
        await rest.delete(`/api/sessions/${session}`);
      }
      for (const [id, times] of told(hook.taken)) {
        assert.equal(new Set(times.map(({ body }) => body.id)).size, 1, `${id} is one event`);
      }
    });
  }

  it("with or without the login, ready to pair, after a kill during a logout", async () => {
    await using harness = await openWebjsHarness();
    const { rest, server, browsers, pair } = harness;
    for (let round = 0; round < rounds; round++) {
      await rest.post("/api/sessions", { name: "alice" });
      await pair("alice");
      const leaving = rest.post("/api/sessions/alice/logout").catch(() => {});
      await delay(Math.random() * leaveMs);
      await server.kill("SIGKILL");
      await leaving;
      await server.restart();
      if ((await rest.untilStatus("alice", "WORKING", "SCAN_QR_CODE")) === "WORKING") {
        assert.equal((await rest.post("/api/sessions/alice/logout")).status, 201);
      }
      await rest.untilStatus("alice", "SCAN_QR_CODE");
      await pair("alice");
      await untilUnlinked(harness);
      assert.equal((await browsers.profiles()).length, 1, "the old login's files are gone");
      await rest.delete("/api/sessions/alice");
    }
  });

  it("or are deleted for good after a kill during a deletion", async () => {
    await using harness = await openWebjsHarness();
    const { rest, server, browsers, pair } = harness;
    for (let round = 0; round < rounds; round++) {
      await rest.post("/api/sessions", { name: "alice" });
      await pair("alice");
      const deleting = rest.delete("/api/sessions/alice").catch(() => {});
      await delay(Math.random() * leaveMs);
      await server.kill("SIGKILL");
      await deleting;
      await server.restart();
      const { status } = await rest.get("/api/sessions/alice");
      if (status === 200) assert.equal((await rest.delete("/api/sessions/alice")).status, 200);
      else assert.equal(status, 404);
      await untilUnlinked(harness);
      assert.deepEqual(await browsers.profiles(), []);
    }
  });
});
