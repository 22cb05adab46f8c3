/**
 * Kills a server during sends: `npm run test:sends -- --kills=1000 --store=postgres`. Every 50 kills the next server starts with an empty
 * store. Ends with code 1 if a message was lost, repeated or out of order on a phone; the server's log is then in a temporary directory.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openHarness } from "./harness.ts";
import { startNowebSends } from "./sends-under-kills.ts";
import { testStores } from "./stores.ts";

const { values } = parseArgs({
  options: { kills: { type: "string", default: "100" }, store: { type: "string", default: "level" } },
});
const killsEach = 50;
const kills = Number(values.kills);
if (values.store !== "level" && values.store !== "postgres") throw new Error("--store must be level or postgres");
const openStore = testStores[values.store as "level" | "postgres"];
const directory = await mkdtemp(join(tmpdir(), "sessiond-sends-"));
const totals = { accepted: 0, repeats: 0 };
let [done, failures] = [0, 0];
while (done < kills) {
  await using store = await openStore();
  const env = { SESSIOND_CONNECTS_PER_SECOND: "200", SESSIOND_SENDS_PER_SECOND: "0", ...store.env };
  await using harness = await openHarness(env);
  const sends = await startNowebSends(harness);
  const end = Math.min(kills, done + killsEach);
  while (done < end && sends.broken().length === 0) {
    await sends.kill();
    done += 1;
  }
  const broken = await sends.finish();
  totals.accepted += sends.counts.accepted;
  totals.repeats += sends.counts.repeats;
  console.log(
    `${done} kills, ${totals.accepted} messages, ${totals.repeats} repeats dropped by phones (${values.store})`,
  );
  if (broken.length === 0) continue;
  failures += 1;
  const file = join(directory, `${done}.log`);
  await writeFile(file, [...broken, ...harness.server.log].join("\n"));
  for (const line of broken.slice(0, 10)) console.log(`  BROKEN ${line}`);
  console.log(`  ${broken.length} in all; the log is in ${file}`);
}
if (failures === 0) await rm(directory, { recursive: true });
console.log(`${done} kills, ${failures} broken promises`);
process.exitCode = failures > 0 ? 1 : 0;
