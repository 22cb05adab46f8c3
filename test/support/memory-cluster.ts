import { EventEmitter, on } from "node:events";
import { buffer } from "node:stream/consumers";
import { openMemoryBackend } from "../../src/adapters/memory/backend.ts";
import type { Backend } from "../../src/ports/backend.ts";
import type { ClusterNode, NodeAddress, Placement } from "../../src/ports/cluster.ts";
import type { FileArchive } from "../../src/ports/profiles.ts";
import { type Lease, OwnedElsewhere, type Sessions } from "../../src/ports/sessions.ts";
import type { Clock } from "../../src/ports/system.ts";
import { FakeStanding } from "./fake-standing.ts";

/** One node: a backend over the store that all nodes share. */
export class MemoryNode {
  readonly name: string;
  readonly standing = new FakeStanding();
  readonly backend: Backend;
  /** Names of sessions that it was given, for the one reader of its arrivals. */
  readonly given = new EventEmitter();
  /** As announced. */
  address: NodeAddress | undefined;
  isAlive = true;
  isDraining = false;
  build = "";
  startedAs = 0n;
  /** Set by a drain. */
  returns = false;

  constructor(name: string, cluster: MemoryCluster) {
    this.name = name;
    const { store } = cluster;
    this.backend = {
      ...store,
      sessions: sessionsOf(this, cluster),
      // The store outlives its nodes.
      upkeep: { ...store.upkeep, close: async () => {} },
      profiles: { archive: (lease) => archiveOf(lease, cluster.archives) },
      cluster: {
        placement: placementOf(this, cluster),
        standing: this.standing,
        secret: new Uint8Array(32),
        values: { read: async () => undefined, add: async (_name, value) => value },
        onCommit: () => () => {},
        announced: () => {},
        onGiven: () => () => {},
        offered: () => {},
        announce: async (address) => {
          this.address = address;
        },
      },
    };
  }
}

/** Nodes over one store in memory. Ownership is exact, and a frozen node's writes wait, as those of a node without its database do. */
export class MemoryCluster {
  readonly store: Backend;
  readonly nodes: readonly MemoryNode[];
  /** Name of the owner by session. */
  readonly owners = new Map<string, string>();
  /** Sessions that only one node can run. */
  readonly bound = new Map<string, string>();
  /** Archives of files by session, then by key. */
  readonly archives = new Map<string, Map<string, Uint8Array>>();
  /** Hand-overs in order, "alice → b". */
  readonly handOvers: string[] = [];

  constructor(clock: Clock, ...names: readonly string[]) {
    this.store = openMemoryBackend({ clock });
    this.nodes = names.map((name) => new MemoryNode(name, this));
  }

  node(name: string): MemoryNode {
    const node = this.nodes.find((one) => one.name === name);
    if (!node) throw new Error(`there is no node ${name}`);
    return node;
  }

  /** Takes a session from its owner and gives it to a node, as after the failure of the owner. */
  async take(session: string, to: string): Promise<void> {
    this.owners.delete(session);
    await this.store.sessions.release(await this.store.sessions.acquire(session));
    this.give(session, to);
  }

  /** Gives a session to a node, which has to acquire it. */
  give(session: string, to: string): void {
    this.owners.set(session, to);
    this.node(to).given.emit("session", session);
  }
}

/** Returns a handle on the archives of a session, which `archives` holds. */
export function archiveOf({ session, epoch }: Lease, archives: Map<string, Map<string, Uint8Array>>): FileArchive {
  return {
    async write(bytes) {
      const archive = await buffer(bytes);
      archives.set(session, new Map([[String(epoch), archive]]));
      return String(epoch);
    },
    async *read(key) {
      const archive = archives.get(session)?.get(key);
      if (archive) yield archive;
    },
    async remove() {
      archives.delete(session);
    },
  };
}

function sessionsOf(node: MemoryNode, { store, owners, bound }: MemoryCluster): Sessions {
  const { sessions } = store;
  const checkOwner = (session: string) => {
    const home = bound.get(session);
    if (home !== undefined && home !== node.name) throw new OwnedElsewhere(session, home, true);
    const owner = owners.get(session);
    if (owner !== undefined && owner !== node.name) throw new OwnedElsewhere(session, owner);
  };
  return {
    list: () => sessions.list(),
    get: (session) => sessions.get(session),
    createdWith: (key) => sessions.createdWith(key),
    messages: (session) => sessions.messages(session),
    watch: (session, signal) => sessions.watch(session, signal),
    async acquire(session) {
      checkOwner(session);
      owners.set(session, node.name);
      return sessions.acquire(session);
    },
    async release(lease) {
      if (lease.lost.aborted) return;
      owners.delete(lease.session);
      await sessions.release(lease);
    },
    async commit(lease, commit) {
      await node.standing.thawed();
      const events = await sessions.commit(lease, commit);
      if (commit.isBound === true) bound.set(lease.session, node.name);
      if (commit.isBound === false) bound.delete(lease.session);
      return events;
    },
    async remove(lease, last) {
      await node.standing.thawed();
      return sessions.remove(lease, last);
    },
  };
}

function placementOf(node: MemoryNode, cluster: MemoryCluster): Placement {
  const described = (node: MemoryNode): ClusterNode => {
    const { name, isAlive, isDraining } = node;
    const load = [...cluster.owners.values()].filter((owner) => owner === name).length;
    return {
      name,
      isAlive,
      isDraining,
      load,
      url: `http://${name}.invalid`,
      version: "1.0.0",
      build: node.build,
      startedAs: node.startedAs,
      epoch: 1n,
      capacity: 2_000,
    };
  };
  return {
    self: node.name,
    async ownerOf(session) {
      const owner = cluster.owners.get(session);
      if (owner === undefined) return { kind: "none" };
      if (owner === node.name) return { kind: "here" };
      return { kind: "node", node: described(cluster.node(owner)), isBound: cluster.bound.has(session) };
    },
    ownersOf: async (sessions) => new Map([...cluster.owners].filter(([session]) => sessions.includes(session))),
    nodes: async () => cluster.nodes.map(described),
    async *arrivals(signal) {
      try {
        for await (const [session] of on(node.given, "session", { signal })) yield session;
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    },
    async drain(options) {
      node.isDraining = true;
      node.returns = options?.returns ?? false;
    },
    async handOver(lease: Lease, to) {
      if (lease.lost.aborted) return;
      const target = to ?? cluster.nodes.find((one) => one !== node && one.isAlive && !one.isDraining)?.name;
      cluster.owners.delete(lease.session);
      await cluster.store.sessions.release(lease);
      cluster.handOvers.push(`${lease.session} → ${target}`);
      if (target !== undefined) cluster.give(lease.session, target);
    },
  };
}
