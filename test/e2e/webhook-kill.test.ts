import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { deliveryNameOf } from "../../src/domain/delivery.ts";
import { nodeOptions } from "../support/node-options.ts";
import { type PostgresServer, startPostgres } from "../support/postgres-server.ts";
import { openReceiver } from "../support/webhook-receiver.ts";

const writer = fileURLToPath(new URL("webhook-writer.ts", import.meta.url));
const sessions = ["alice", "bob", "carol", "dave", "eve"];
/** Set KILLS=1000 for the long run. */
const wanted = process.env.KILLS;

/** Webhooks that the receiver got, and those that it must have got. */
class Ledger {
  readonly committed = new Map<string, Set<bigint>>(sessions.map((session) => [session, new Set()]));
  readonly #arrived = new Map<string, bigint[]>(sessions.map((session) => [session, []]));
  /** Last arrival of each session when the writer was killed: the only events that can have been in flight. */
  readonly #inFlight = new Map<string, Set<bigint>>(sessions.map((session) => [session, new Set()]));
  duplicates = 0;
  arrivals = 0;

  arrive(session: string, seq: bigint): void {
    const arrived = this.#arrived.get(session) ?? [];
    const last = arrived.at(-1) ?? 0n;
    this.arrivals += 1;
    if (seq > last) arrived.push(seq);
    else {
      this.duplicates += 1;
      // A first attempt never comes late, and an event that was not in flight never comes again.
      assert.ok(arrived.includes(seq), `${session}: ${seq} comes for the first time after ${last}`);
      assert.ok(
        this.#inFlight.get(session)?.delete(seq),
        `${session}: ${seq} comes again, and was not in flight at a kill`,
      );
    }
  }

  kill(): void {
    for (const [session, arrived] of this.#arrived) {
      const last = arrived.at(-1);
      if (last !== undefined) this.#inFlight.get(session)?.add(last);
    }
  }

  /** Asserts that every event on disk has arrived. */
  check(): void {
    for (const [session, seqs] of this.committed) {
      const arrived = new Set(this.#arrived.get(session));
      const lost = [...seqs].filter((seq) => !arrived.has(seq));
      assert.deepEqual(lost, [], `${session} lost events`);
    }
  }
}

/** Runs the writer once: it is killed at a random moment after its first commit, or ends by itself. */
async function live(place: string, origin: string, ledger: Ledger, mode: "load" | "drain"): Promise<void> {
  const child = spawn(process.execPath, [...nodeOptions, writer, place, origin, mode, ...sessions], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  let condemned = false;
  for await (const line of createInterface({ input: child.stdout })) {
    const [, session = "", seq = ""] = line.split(" ");
    ledger.committed.get(session)?.add(BigInt(seq));
    if (!condemned) setTimeout(() => child.kill("SIGKILL"), Math.random() * 400);
    condemned = true;
  }
  const [code, signal] = await exited;
  assert.deepEqual([code, signal], mode === "drain" ? [0, null] : [null, "SIGKILL"]);
  ledger.kill();
}

type Opening = (t: TestContext) => Promise<{ readonly place: string; readonly postgres?: PostgresServer }>;

/** Returns where a store can be: a directory, or a database. Removed after the test. */
const places: Readonly<Record<string, Opening>> = {
  async level(t) {
    const directory = await mkdtemp(join(tmpdir(), "sessiond-kill-"));
    t.after(() => rm(directory, { recursive: true, force: true }));
    return { place: join(directory, "store") };
  },
  async postgres(t) {
    const postgres = await startPostgres();
    t.after(() => postgres.close());
    return { place: await postgres.createDatabase(), postgres };
  },
};

for (const [name, open] of Object.entries(places)) {
  const kills = Number(wanted ?? (name === "level" ? 20 : 8));
  it(`delivers every committed event in order over ${kills} kills, and repeats only those in flight (${name})`, {
    timeout: kills * 10_000,
  }, async (t) => {
    const { place, postgres } = await open(t);
    const ledger = new Ledger();
    let fault: unknown;
    await using receiver = await openReceiver((response, { path, headers }) => {
      const delivery = deliveryNameOf(String(headers["x-webhook-request-id"]));
      try {
        ledger.arrive(path.slice(1), delivery?.seq ?? 0n);
      } catch (error) {
        fault ??= error;
      }
      response.end();
    });
    for (let n = 0; n < kills; n += 1) {
      await live(place, receiver.origin, ledger, "load");
      if (n % 4 !== 1) continue;
      await postgres?.kill();
      await postgres?.start();
    }
    await live(place, receiver.origin, ledger, "drain");
    if (fault) throw fault;
    ledger.check();
    const committed = [...ledger.committed.values()].reduce((sum, seqs) => sum + seqs.size, 0);
    t.diagnostic(
      `${committed} committed, ${ledger.arrivals} arrivals, ${ledger.duplicates} sent again over ${kills} kills`,
    );
    assert.ok(committed > kills);
  });
}
