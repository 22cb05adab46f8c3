import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import type { Event } from "../../../gen/sessiond/v1/event_pb.js";
import type { Backend } from "../../../src/ports/backend.ts";
import { arrival, history, quiet, Reader, seqOf } from "../../contract/backend-fixtures.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { nodeOptions } from "../../support/node-options.ts";
import { storeDirectory } from "./store-directory.ts";

const writer = fileURLToPath(new URL("crash-writer.ts", import.meta.url));

/** The writes that a killed child had acknowledged. */
interface Acknowledged {
  readonly revisions: Map<string, number>;
  readonly seqs: Set<bigint>;
  readonly done: Set<bigint>;
}

/** Kills a child during its writes, once it has acknowledged enough. */
async function killAmidWrites(directory: string, lines: number): Promise<Acknowledged> {
  const child = spawn(process.execPath, [...nodeOptions, writer, directory], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const acknowledged: Acknowledged = { revisions: new Map(), seqs: new Set(), done: new Set() };
  let count = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const [kind, ...words] = line.split(" ");
    if (kind === "d") acknowledged.done.add(BigInt(words[0] ?? ""));
    else {
      acknowledged.revisions.set(words[0] ?? "", Number(words[1]));
      acknowledged.seqs.add(BigInt(words[2] ?? ""));
    }
    count += 1;
    if (count === lines) child.kill("SIGKILL");
  }
  const [, signal] = await exited;
  assert.equal(signal, "SIGKILL");
  return acknowledged;
}

/** Seqs of all due deliveries, each settled once. */
async function pendingSeqs(backend: Backend): Promise<bigint[]> {
  const claims = new Reader(backend.outbox.claims(new AbortController().signal));
  const seqs: bigint[] = [];
  for (;;) {
    const next = arrival(claims.next());
    await Promise.race([next.promise, quiet(backend)]);
    if (!next.arrived) {
      next.promise.catch(() => {});
      return seqs;
    }
    const claim = await next.promise;
    seqs.push(seqOf(claim));
    await claim.done();
  }
}

it("a process killed during writes loses no acknowledged write and tears none", async (t) => {
  const store = await storeDirectory(t);
  const acknowledged = await killAmidWrites(store.path, 2000);
  const clock = new FakeClock();
  const backend = await store.open(clock);

  const events = await history(backend);
  const bySession = Map.groupBy(events, (event: Event) => event.session);
  assert.deepEqual(
    events.map((event) => event.seq),
    events.map((_, n) => BigInt(n + 1)),
  );
  const seqs = new Set(events.map((event) => event.seq));
  for (const seq of acknowledged.seqs) assert.ok(seqs.has(seq));
  for (const [session, revision] of acknowledged.revisions) {
    const { record } = await backend.sessions.get(session);
    assert.ok(record && record.revision >= revision);
    assert.equal(bySession.get(session)?.length, record.revision);
  }

  clock.advance(1000);
  const pending = await pendingSeqs(backend);
  const unsettled = new Set(pending);
  assert.equal(unsettled.size, pending.length);
  for (const seq of unsettled) assert.ok(seqs.has(seq) && !acknowledged.done.has(seq));
  // One settlement may be written without having been acknowledged.
  assert.ok(seqs.size - acknowledged.done.size - unsettled.size <= 1);
});
