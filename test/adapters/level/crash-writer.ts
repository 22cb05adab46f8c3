import { openLevelBackend } from "../../../src/adapters/level/backend.ts";
import { createSession, newEvent, Reader, recordOf } from "../../contract/backend-fixtures.ts";
import { FakeClock } from "../../support/fake-clock.ts";

// Commits to ten sessions at once and settles due deliveries until it is killed. Each line reports a write that is on disk:
// "c <session> <revision> <seq>" for a commit, "d <seq>" for a settled delivery.
const [directory = ""] = process.argv.slice(2);
const backend = await openLevelBackend({ directory, clock: new FakeClock() });

async function commits(name: string): Promise<void> {
  const { lease } = await createSession(backend, name, ["one"]);
  for (let revision = 1; ; revision += 1) {
    const [event] = await backend.sessions.commit(lease, {
      record: recordOf(name, revision),
      events: [newEvent(name, "one")],
    });
    process.stdout.write(`c ${name} ${revision} ${event?.seq}\n`);
  }
}

async function settles(): Promise<void> {
  const claims = new Reader(backend.outbox.claims(new AbortController().signal));
  for (;;) {
    const claim = await claims.next();
    const seq = claim.delivery.event?.seq ?? 0n;
    // Some are left pending, others are to be retried.
    if (seq % 5n === 0n) await claim.retry(1000);
    else if (seq % 7n !== 0n) {
      await claim.done();
      process.stdout.write(`d ${seq}\n`);
    }
  }
}

await Promise.all([...Array.from({ length: 10 }, (_, n) => commits(`s${n}`)), settles()]);
