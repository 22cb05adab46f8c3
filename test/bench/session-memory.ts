import { pairFleet } from "../e2e/fleet.ts";
import { openHarness } from "../e2e/harness.ts";
import { BareSessions } from "./bare-sessions.ts";
import { restingRssKb } from "./memory.ts";
import { print, settings } from "./session-goals.ts";
import { untilWorking } from "./session-starts.ts";

/** The goals for the largest number of sessions: memory in all, and for each further session. */
const goalMb = 300;
const goalFurtherMb = 0.2;
/** Time in which memory settles, s. */
const settleSeconds = 8;

interface Row {
  readonly what: string;
  readonly count: number;
  readonly rssMb: number;
}

const rssMb = async (pid: number | undefined) => (await restingRssKb(pid ?? 0, settleSeconds)) / 1_024;

async function sessiondRows(counts: readonly number[], chosen: readonly string[]): Promise<Row[]> {
  await using it = await openHarness({ SESSIOND_CONNECTS_PER_SECOND: "200" });
  const { whatsapp, server, rest } = it;
  const { names } = await pairFleet(whatsapp, rest, Math.max(...counts));
  const rows: Row[] = [];
  for (const count of counts) {
    for (const name of names.slice(count)) await rest.post(`/api/sessions/${name}/stop`);
    for (const setting of chosen) {
      await server.kill("SIGTERM");
      const working = untilWorking(server, count);
      await server.restart({ ...settings[setting], SESSIOND_CONNECTS_PER_SECOND: "60" });
      await working();
      rows.push({ what: `sessiond, ${setting}`, count, rssMb: await rssMb(server.pid) });
    }
  }
  return rows;
}

async function bareRows(counts: readonly number[], chosen: readonly string[]): Promise<Row[]> {
  await using sessions = await BareSessions.pair(Math.max(...counts));
  const rows: Row[] = [];
  for (const count of counts) {
    for (const setting of chosen) {
      const run = await sessions.start(count, settings[setting] ?? {});
      rows.push({ what: `bare Baileys, ${setting}`, count, rssMb: await rssMb(run.pid) });
      await run.end();
    }
  }
  return rows;
}

/** Memory of WORKING sessions beside bare Baileys with keys in SQLite, each freshly started with saved logins. */
export async function measureMemory(unsorted: readonly number[], chosen: readonly string[]): Promise<void> {
  const counts = unsorted.toSorted((a, b) => b - a);
  const [most = 1, least = most] = [counts[0], counts.at(-1)];
  const rows = [...(await sessiondRows(counts, chosen)), ...(await bareRows(counts, chosen))];
  const rssOf = (what: string, count: number) =>
    rows.find((row) => row.what === what && row.count === count)?.rssMb ?? Number.NaN;
  const furtherOf = ({ what, count, rssMb }: Row) => (rssMb - rssOf(what, least)) / (count - least);
  console.table(
    rows.map((row) => ({
      what: row.what,
      sessions: row.count,
      "RSS MB": row.rssMb.toFixed(1),
      "each further MB": row.count > least ? furtherOf(row).toFixed(3) : "",
      "times bare": (row.rssMb / rssOf(row.what.replace("sessiond", "bare Baileys"), row.count)).toFixed(2),
    })),
  );
  const tuned = rows.find(({ what, count }) => what === "sessiond, tuned" && count === most);
  if (!tuned) return;
  print(`${most} sessions: RSS MB`, tuned.rssMb, goalMb);
  if (most > least) print("each further session: MB", furtherOf(tuned), goalFurtherMb);
}
