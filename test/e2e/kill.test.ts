import assert from "node:assert/strict";
import { it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { openHarness } from "./harness.ts";
import { KillScenario } from "./kill-scenario.ts";
import { assertWhole } from "./stored-values.ts";

/** Set SESSIOND_TEST_KILLS=1000 for the long run. */
const kills = Number(process.env.SESSIOND_TEST_KILLS ?? 6);

it(`${kills} kills under traffic lose nothing and report nothing twice`, {
  timeout: 120_000 + 10_000 * kills,
}, async (t) => {
  await using harness = await openHarness({ SESSIOND_CONNECTS_PER_SECOND: "200" });
  const { whatsapp, server } = harness;
  const fixture = await KillScenario.open(harness);
  const ending = new AbortController();
  const traffic = fixture.traffic(ending.signal);
  let killed = 0;
  const kill = async () => {
    await server.kill("SIGKILL");
    await fixture.settled();
    killed += 1;
    if (killed % 100 === 1) await assertWhole(`${server.directory}/sessions/store`);
    if (killed % 50 === 0)
      t.diagnostic(`${killed} kills, ${fixture.sent.size} messages, ${fixture.peerMessages} to phones`);
  };
  try {
    while (killed < kills) {
      fixture.stir();
      // Most lives are short; some are long enough for all sessions to connect and for messages to the phones.
      await delay(Math.random() < 0.1 ? 3_500 : Math.random() * 900);
      await kill();
      // Some starts are interrupted as well.
      if (Math.random() < 0.2) {
        const starting = server.restart().catch(() => {});
        await delay(Math.random() * 1_000);
        await kill();
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
  await assertWhole(`${server.directory}/sessions/store`);
  t.diagnostic(`${killed} kills, ${fixture.sent.size} messages, ${fixture.peerMessages} to phones`);
  assert.deepEqual(whatsapp.faults, [], "no one-time key is another one than before, no counter has come twice");
});
