import { EventEmitter } from "node:events";
import type { Event } from "../../gen/sessiond/v1/event_pb.js";
import type { Backend } from "../../src/ports/backend.ts";
import type { Cluster, ClusterNode, GivenSession, LoggedEvents, Owner, SharedValues } from "../../src/ports/cluster.ts";
import { OwnedElsewhere, type Sessions, type Snapshot } from "../../src/ports/sessions.ts";

/** A cluster whose nodes are in one process and share one backend. Tests write the table of owners. */
export class NodeTable {
  readonly #backend: Backend;
  readonly #nodes = new Map<string, ClusterNode>();
  readonly #owners = new Map<string, string>();
  readonly #bound = new Set<string>();
  readonly #onCommit = new Map<string, Set<(logged: LoggedEvents) => void>>();
  readonly #onGiven = new EventEmitter();
  readonly #stored = new Map<string, Uint8Array>();
  readonly #values: SharedValues = {
    read: async (name) => this.#stored.get(name),
    add: async (name, value) => {
      const stored = this.#stored.get(name) ?? value;
      this.#stored.set(name, stored);
      return stored;
    },
  };
  readonly secret = new Uint8Array(32).fill(7);

  /** Called before each look-up of an owner. */
  onAsked: () => void = () => {};
  /** Called before each look-up of many owners. */
  onOwnersAsked: () => void = () => {};

  /** Called when a node has written events. */
  onCommitted: (seq: bigint) => void = () => {};
  /** Called when a node hears of the end of another node's log. */
  onAnnounced: (node: string, seq: bigint) => void = () => {};

  /** Called when a node hears of a session that another one has given away. */
  onOffered: (node: string, given: GivenSession) => void = () => {};

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Enters a node, or its new address. */
  enter(name: string, url: string, more: Partial<ClusterNode> = {}): void {
    const node = { name, url, version: "1.0.0", epoch: 1n, isAlive: true, isDraining: false, capacity: 100, load: 0 };
    this.#nodes.set(name, { ...node, build: "", startedAs: 1n, ...more });
  }

  /** Gives a session to a node; undefined: to none. */
  give(session: string, node: string | undefined): void {
    if (node === undefined) this.#owners.delete(session);
    else this.#owners.set(session, node);
  }

  /** Lets a node say that it has given a session away. */
  tellGiven(from: string, given: GivenSession): void {
    this.#onGiven.emit(from, given);
  }

  /** Gives a session to the only node that can run it. */
  bind(session: string, node: string): void {
    this.give(session, node);
    this.#bound.add(session);
  }

  /** Returns the backend as a node sees it. `stale` are owners that this node believes in, whatever the table says. */
  backendOf(self: string, stale: ReadonlyMap<string, string> = new Map()): Backend {
    const { sessions, upkeep } = this.#backend;
    const isOwn = (session: string) => this.#owners.get(session) === self;
    // A code is in the memory of the owner only.
    const seen = (session: string, snapshot: Snapshot): Snapshot =>
      isOwn(session) ? snapshot : { ...snapshot, pairing: undefined };
    const seenSessions: Sessions = {
      list: () => sessions.list(),
      get: async (session) => seen(session, await sessions.get(session)),
      createdWith: (key) => sessions.createdWith(key),
      messages: (session) => sessions.messages(session),
      async *watch(session, signal) {
        for await (const snapshot of sessions.watch(session, signal)) yield seen(session, snapshot);
      },
      acquire: async (session) => {
        const owner = this.#owners.get(session) ?? self;
        if (owner !== self) throw new OwnedElsewhere(session, owner);
        this.#owners.set(session, self);
        return sessions.acquire(session);
      },
      release: (lease) => sessions.release(lease),
      commit: async (lease, commit) => this.#tell(self, await sessions.commit(lease, commit)),
      remove: async (lease, last) => this.#tell(self, await sessions.remove(lease, last)),
    };
    const keptOpen = {
      trim: upkeep.trim.bind(upkeep),
      check: () => upkeep.check(),
      close: async () => {},
    };
    return { ...this.#backend, sessions: seenSessions, upkeep: keptOpen, cluster: this.#clusterOf(self, stale) };
  }

  #tell(self: string, events: Event[]): Event[] {
    const last = events.at(-1);
    if (last) this.onCommitted(last.seq);
    if (last)
      for (const callback of this.#callbacksOf(self))
        callback({ afterSeq: last.seq - BigInt(events.length), seq: last.seq, events: [] });
    return events;
  }

  #callbacksOf(self: string): Set<(logged: LoggedEvents) => void> {
    const callbacks = this.#onCommit.get(self) ?? new Set();
    this.#onCommit.set(self, callbacks);
    return callbacks;
  }

  #clusterOf(self: string, stale: ReadonlyMap<string, string>): Cluster {
    const ownerOf = async (session: string): Promise<Owner> => {
      this.onAsked();
      const name = stale.get(session) ?? this.#owners.get(session);
      const node = name === undefined ? undefined : this.#nodes.get(name);
      if (name === self) return { kind: "here" };
      const isBound = this.#bound.has(session);
      return node ? { kind: "node", node, isBound } : { kind: "none" };
    };
    const ownersOf = async (sessions: readonly string[]) => {
      this.onOwnersAsked();
      return new Map([...this.#owners].filter(([session]) => sessions.includes(session)));
    };
    return {
      secret: this.secret,
      placement: {
        self,
        ownerOf,
        ownersOf,
        nodes: async () => [...this.#nodes.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
        async *arrivals() {},
        drain: async () => {},
        handOver: async () => {},
      },
      values: this.#values,
      onCommit: (callback) => {
        const callbacks = this.#callbacksOf(self).add(callback);
        return () => void callbacks.delete(callback);
      },
      announced: ({ seq }) => this.onAnnounced(self, seq),
      onGiven: (callback) => {
        this.#onGiven.on(self, callback);
        return () => void this.#onGiven.off(self, callback);
      },
      offered: (given) => this.onOffered(self, given),
      announce: async () => {},
      standing: { isFrozen: false, onFreeze: () => () => {}, thawed: async () => {} },
    };
  }
}
