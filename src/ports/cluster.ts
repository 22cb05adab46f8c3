import type { Lease } from "./sessions.ts";

/** A node of the cluster, as all nodes see it in the store. */
export interface ClusterNode {
  /** Unique, and the same after a restart. */
  readonly name: string;
  /** Base URL at which other nodes reach it. */
  readonly url: string;
  /** Version of the program. */
  readonly version: string;
  /** Name of what it runs beside the version, such as its settings; empty for none. Nodes differ in it while they are updated. */
  readonly build: string;
  /** Grows with each start of any node. */
  readonly startedAs: bigint;
  /** Grows with each start of the node. */
  readonly epoch: bigint;
  /** True until it has been silent for so long that others take its sessions. */
  readonly isAlive: boolean;
  /** True once it takes no more sessions, and gives away those it has. */
  readonly isDraining: boolean;
  /** Sum of the weights of sessions that it should run at most, and of those that it runs. */
  readonly capacity: number;
  readonly load: number;
}

/** Place of a session: this node, another node, or none, in which case any node may acquire the session. */
export type Owner = { readonly kind: "here" } | OtherOwner | { readonly kind: "none" };

/** Another node, as the owner of a session. */
export interface OtherOwner {
  readonly kind: "node";
  readonly node: ClusterNode;
  /** True if no other node can run the session. */
  readonly isBound: boolean;
}

/** Decides which node runs a session. */
export interface Placement {
  /** Name of this node. */
  readonly self: string;
  /**
   * Returns the owner of a session. What is known of other nodes may be some seconds old: the node that is named refuses a call for a
   * session that it does not own. `mayBeOld`: an owner that was found up to a second ago will do, so that the store need not be asked.
   */
  ownerOf(session: string, mayBeOld?: boolean): Promise<Owner>;
  /**
   * Returns the names of the nodes that own sessions, by session; sessions without an owner are left out. Asks the store at most once,
   * however many sessions there are.
   */
  ownersOf(sessions: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Returns all nodes by name, this one included. */
  nodes(): Promise<readonly ClusterNode[]>;
  /**
   * Yields the names of sessions that this node has just been given without a call: at the start, after the failure of another node, or
   * by a hand-over. The caller acquires and runs each. Ends by `signal`.
   */
  arrivals(signal: AbortSignal): AsyncIterable<string>;
  /**
   * Takes no more sessions from now on, and lets the other nodes know. With `returns`, this node is back soon under its name: for 60 s
   * no other node takes the sessions that it still holds. Idempotent.
   */
  drain(options?: { readonly returns: boolean }): Promise<void>;
  /** Releases a lease to a node that acquires the session at once; undefined: to the node that has most room. */
  handOver(lease: Lease, to?: string): Promise<void>;
}

/**
 * This node's standing. A node that cannot reach the store freezes before another node may take its sessions: it sends and acknowledges
 * nothing, and opens no connection, until it has reached the store again.
 */
export interface Standing {
  readonly isFrozen: boolean;
  /** Calls `listener` at each freeze. The function returned cancels it and may be called at any time. */
  onFreeze(listener: () => void): () => void;
  /** Resolves once the node is not frozen. Rejects with LeaseLost if its sessions were taken meanwhile, or the backend is closed. */
  thawed(): Promise<void>;
}

/** Place where a node listens: its base URL, or a port of the address from which it reaches the store. */
export type NodeAddress = { readonly url: string } | { readonly scheme: "http" | "https"; readonly port: number };

/** Small values that all nodes share, such as the hash of a key that the server has made. */
export interface SharedValues {
  /** Returns a value; undefined if there is none of this name. */
  read(name: string): Promise<Uint8Array | undefined>;
  /** Stores a value unless there is one of this name, and returns the stored one: the same on all nodes. */
  add(name: string, value: Uint8Array): Promise<Uint8Array>;
}

/** A session whose lease was released to a node, which is to acquire it. */
export interface GivenSession {
  readonly session: string;
  /** Name of the node. */
  readonly node: string;
}

/** An event in the form in which the store has it. */
export interface StoredEvent {
  readonly session: string;
  readonly id: string;
  readonly value: Uint8Array;
}

/** Events that a node has added to the log by one write. */
export interface LoggedEvents {
  /** The log's end before them. */
  readonly afterSeq: bigint;
  /** `seq` of the last one. */
  readonly seq: bigint;
  /** All of them in their order, or none: then they are to be read from the store. */
  readonly events: readonly StoredEvent[];
}

/** The part of a backend that several nodes share. */
export interface Cluster {
  readonly placement: Placement;
  readonly standing: Standing;
  /** Secret of the whole cluster, made with it: 32 bytes, from which tokens between nodes and of clients are derived. */
  readonly secret: Uint8Array;
  /** Lets the other nodes know where this one listens. */
  announce(address: NodeAddress): Promise<void>;
  readonly values: SharedValues;
  /** Calls `callback` after each write of this node that has added to the log. Returns the function that cancels it. */
  onCommit(callback: (logged: LoggedEvents) => void): () => void;
  /**
   * Says what another node has logged: the backend goes on to there at once instead of at its next poll. A call may come twice, late or
   * never.
   */
  announced(logged: LoggedEvents): void;
  /** Calls `callback` after each hand-over of this node to a certain one. Returns the function that cancels it. */
  onGiven(callback: (given: GivenSession) => void): () => void;
  /**
   * Says that another node has released a session to the node that `given` names. If that is this one, the session arrives at once instead
   * of at the next look at the leases. A call may come twice, late or never.
   */
  offered(given: GivenSession): void;
}
