import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { after, before, it } from "node:test";
import libsignal from "libsignal";
import { installSignalJobs } from "../../../src/adapters/baileys/signal-jobs.ts";

const address = new libsignal.ProtocolAddress("15551234567", 0);

interface Queue {
  queueJob<T>(job: () => Promise<T>): Promise<T>;
}

/** A session's end of a conversation with the one contact of this file. */
const cipherOf = (storage: object) => new libsignal.SessionCipher(storage as never, address) as unknown as Queue;

let uninstall = () => {};
before(() => {
  uninstall = installSignalJobs();
});
after(() => uninstall());

it("a job runs in its caller's context while another session's job for the contact runs", async () => {
  const context = new AsyncLocalStorage<string>();
  const [alice, bob] = [cipherOf({}), cipherOf({})];
  const gate = Promise.withResolvers<void>();
  const seen: string[] = [];
  const note = async () => {
    seen.push(context.getStore() ?? "none");
  };
  const first = context.run("first", () => alice.queueJob(note));
  const other = bob.queueJob(() => gate.promise);
  await first;
  const second = context.run("second", () => alice.queueJob(note));
  gate.resolve();
  await Promise.all([other, second]);
  assert.deepEqual(seen, ["first", "second"]);
});

it("jobs of one session with one contact run in order, and no other session waits", async () => {
  const storage = {};
  const gate = Promise.withResolvers<void>();
  const done: string[] = [];
  const job = (name: string, wait?: Promise<void>) => async () => {
    await wait;
    done.push(name);
  };
  const first = cipherOf(storage).queueJob(job("first", gate.promise));
  const failed = cipherOf(storage).queueJob(() => Promise.reject(new Error("bad message")));
  const last = cipherOf(storage).queueJob(job("last"));
  await cipherOf({}).queueJob(job("another session"));
  gate.resolve();
  await assert.rejects(failed, /bad message/);
  await Promise.all([first, last]);
  assert.deepEqual(done, ["another session", "first", "last"]);
});

it("keys of a new conversation are stored in its caller's context", async () => {
  const context = new AsyncLocalStorage<string>();
  const seen: (string | undefined)[] = [];
  const isTrustedIdentity = async () => {
    seen.push(context.getStore());
    return false;
  };
  const builder = () => new libsignal.SessionBuilder({ isTrustedIdentity } as never, address);
  const device = { identityKey: Buffer.alloc(33) } as never;
  const begin = (name: string) => context.run(name, () => builder().initOutgoing(device));
  const results = await Promise.allSettled([begin("first"), begin("second")]);
  assert.ok(results.every(({ status }) => status === "rejected"));
  assert.deepEqual(seen, ["first", "second"]);
});
