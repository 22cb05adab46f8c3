import { type Lease, LeaseLost } from "../../ports/sessions.ts";

/** Kinds of engine data. */
export type DataKind = "credentials" | "chats";

/** Throws LeaseLost once its lease or handle is no longer the current one. */
export type Guard = () => void;

interface Owner {
  readonly epoch: bigint;
  readonly handles: Map<DataKind, object>;
  readonly loss: AbortController;
}

/** The owners of sessions, within one process. */
export class Ownership {
  #epoch: bigint;
  readonly #owners = new Map<string, Owner>();

  /** Epochs given out grow from `afterEpoch` on, over all sessions. */
  constructor(afterEpoch: bigint) {
    this.#epoch = afterEpoch;
  }

  /**
   * Takes a session from its present owner in this process: ends its handles and aborts `lost` of its lease. The epoch is greater than
   * `afterEpoch`.
   */
  acquire(session: string, afterEpoch = 0n): Lease {
    const former = this.#owners.get(session);
    this.#epoch += 1n;
    const epoch = afterEpoch + this.#epoch;
    const loss = new AbortController();
    this.#owners.set(session, { epoch, handles: new Map(), loss });
    // Last: its listeners find the lease lost.
    former?.loss.abort(leaseLost(session));
    return { session, epoch, lost: loss.signal };
  }

  /** Takes a session from its owner: another process writes it from now on. Does nothing where there is none. */
  lose(session: string): void {
    const former = this.#owners.get(session);
    this.#owners.delete(session);
    former?.loss.abort(leaseLost(session));
  }

  /** Does nothing for a lease that is lost. */
  release(lease: Lease): void {
    if (this.#find(lease)) this.#owners.delete(lease.session);
  }

  /** Returns true if the lease is the current one. */
  holds(lease: Lease): boolean {
    return this.#find(lease) !== undefined;
  }

  /** Throws LeaseLost unless the lease is the current one. */
  check(lease: Lease): void {
    if (!this.#find(lease)) throw leaseLost(lease.session);
  }

  /** A new handle of one kind, which ends the one before. Under a lost lease it is at an end already. */
  handle(lease: Lease, kind: DataKind): Guard {
    const token = {};
    const owner = this.#find(lease);
    owner?.handles.set(kind, token);
    return () => {
      this.check(lease);
      if (owner?.handles.get(kind) !== token) {
        throw new LeaseLost(`this handle on the ${kind} of session "${lease.session}" is at its end`);
      }
    };
  }

  /** Ends all handles on a session's engine data; its lease stays. */
  endHandles(session: string): void {
    this.#owners.get(session)?.handles.clear();
  }

  /** Takes all sessions from their owners: another process writes them from now on. */
  fence(): void {
    const owners = [...this.#owners];
    this.#owners.clear();
    for (const [session, { loss }] of owners) loss.abort(leaseLost(session));
  }

  #find(lease: Lease): Owner | undefined {
    const owner = this.#owners.get(lease.session);
    return owner?.epoch === lease.epoch ? owner : undefined;
  }
}

const leaseLost = (session: string) => new LeaseLost(`another owner has session "${session}"`);
