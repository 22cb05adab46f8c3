import { AsyncLocalStorage } from "node:async_hooks";
import { libsignalPart } from "./libsignal.ts";

/**
 * libsignal has one queue of jobs per remote address for the whole process (its src/queue_job.js), and runs all its jobs in the
 * asynchronous context of the first one. Baileys finds a key's transaction by that context (its lib/Utils/auth-utils.js). When one
 * contact wrote to two sessions at once, the keys went to a finished transaction and were lost. Here each session has its own
 * queue, and each job runs in its own context.
 */
interface WithStorage {
  readonly addr: { toString(): string };
  storage: object;
}

interface SessionCipher extends WithStorage {
  queueJob(job: () => Promise<unknown>): Promise<unknown>;
}

interface SessionBuilder extends WithStorage {
  initOutgoing(device: unknown): Promise<unknown>;
}

interface ClassOf<T> {
  readonly prototype: T;
}

let restore: (() => void) | undefined;

/** Gives each session of the process its own queue of Signal jobs. Idempotent; the function returned undoes it. */
export function installSignalJobs(): () => void {
  restore ??= install();
  return () => {
    restore?.();
    restore = undefined;
  };
}

function install(): () => void {
  const cipher = (libsignalPart("libsignal/src/session_cipher.js") as ClassOf<SessionCipher>).prototype;
  const builder = (libsignalPart("libsignal/src/session_builder.js") as ClassOf<SessionBuilder>).prototype;
  const { queueJob } = cipher;
  const { initOutgoing } = builder;
  const queues = new WeakMap<object, Map<string, Promise<unknown>>>();

  cipher.queueJob = function queueOfSession(job) {
    const queue = queues.get(this.storage) ?? new Map<string, Promise<unknown>>();
    queues.set(this.storage, queue);
    const address = this.addr.toString();
    const result = (queue.get(address) ?? Promise.resolve()).then(job);
    const settled = result.then(
      () => {},
      () => {},
    );
    queue.set(address, settled);
    settled.then(() => {
      if (queue.get(address) === settled) queue.delete(address);
    });
    return result;
  };
  // The class queues its own jobs, so only its storage can be bound to the caller's context.
  builder.initOutgoing = function inItsContext(device) {
    const { storage } = this;
    this.storage = boundTo(storage);
    return initOutgoing.call(this, device).finally(() => {
      this.storage = storage;
    });
  };
  return () => {
    cipher.queueJob = queueJob;
    builder.initOutgoing = initOutgoing;
  };
}

/** Returns the storage with methods that run in the present asynchronous context. */
function boundTo(storage: object): object {
  const here = AsyncLocalStorage.snapshot();
  return new Proxy(storage, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => here(() => Reflect.apply(value, target, args));
    },
  });
}
