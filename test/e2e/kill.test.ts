import assert from "node:assert/strict";
import { it, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { openHarness } from "./harness.ts";
import { KillScenario } from "./kill-scenario.ts";
import { testStores } from "./stores.ts";

/** Set SESSIOND_TEST_KILLS=1000 for the long run. */
const kills = Number(process.env.SESSIOND_TEST_KILLS ?? 6);

/** The processes that a kill ends: the server, PostgreSQL, or both. */
const victims = ["server", "postgres", "both"] as const;

for (const [name, openStore] of Object.entries(testStores)) {
  it(
    `${kills} kills under traffic lose nothing and report nothing twice (${name})`,
    {
      timeout: 120_000 + 10_000 * kills,
    },
    (t) => run(t, openStore),
  );
}

async function run(t: TestContext, openStore: (typeof testStores)["level"]): Promise<void> {
  await using store = await openStore();
  const { postgres } = store;
  await using harness = await openHarness({ SESSIOND_CONNECTS_PER_SECOND: "200", ...store.env });
  const { whatsapp, server } = harness;
  const fixture = await KillScenario.open(harness);
  const ending = new AbortController();
  const traffic = fixture.traffic(ending.signal);
  let killed = 0;
  const assertWhole = () => store.assertWhole(server.directory);
  const killServer = async () => {
    await server.kill("SIGKILL");
    await fixture.settled();
  };
  const kill = async () => {
    const victim = postgres ? victims[killed % victims.length] : "server";
    killed += 1;
    if (victim !== "server") await postgres?.kill();
    if (victim !== "postgres") await killServer();
    if (victim !== "server") {
      await delay(Math.random() * 1_000);
      await postgres?.start();
    }
    if (killed % 100 === 1 && victim === "server") await assertWhole();
    if (killed % 50 === 0)
      t.diagnostic(`${killed} kills, ${fixture.sent.size} messages, ${fixture.peerMessages} to phones`);
    return victim !== "postgres";
  };
  try {
    while (killed < kills) {
      fixture.stir();
      // Most lives are short; some are long enough for all sessions to connect and for messages to the phones.
      await delay(Math.random() < 0.1 ? 3_500 : Math.random() * 900);
      if (!(await kill())) {
        await fixture.settled();
        await fixture.caughtUp();
        await fixture.check();
        continue;
      }
      // Some starts are interrupted as well.
      if (Math.random() < 0.2) {
        const starting = server.restart().catch(() => {});
        await delay(Math.random() * 1_000);
        killed += 1;
        await killServer();
        await starting;
      }
      await server.restart();
      await fixture.check();
    }
  } finally {
    ending.abort();
  }
  await traffic;
  await fixture.comeToRest(60_000 + 1_000 * kills);
  await fixture.check();
  await server.kill("SIGKILL");
  await assertWhole();
  t.diagnostic(`${killed} kills, ${fixture.sent.size} messages, ${fixture.peerMessages} to phones`);
  assert.deepEqual(whatsapp.faults, [], "no one-time key is another one than before, no counter has come twice");
}
