import type { SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import { Engine_Kind as Kind } from "../../gen/sessiond/v1/session_pb.js";

/** A node as the balance of load sees it. */
export interface BalancedNode {
  readonly name: string;
  readonly version: string;
  /** Program and settings beside the version. */
  readonly build: string;
  /** Grows with each start of the node. */
  readonly epoch: bigint;
  readonly isAlive: boolean;
  readonly isDraining: boolean;
  readonly capacity: number;
  readonly load: number;
}

/** Memory of a node from one look at the others to the next. */
export interface Balance {
  /** The living nodes, as one text. */
  readonly members: string;
  /** Time since which they are the same. */
  readonly calmSinceMs: number;
  /** Time since which this node has too much; undefined if it has not. */
  readonly unevenSinceMs: number | undefined;
}

/** Result of a look at the nodes. */
export interface BalanceStep {
  readonly balance: Balance;
  /** The node to which this one gives a session now; undefined for none. */
  readonly target: string | undefined;
}

/** Time for which nodes have to be the same, and a load uneven, before sessions move: a move costs each of them a reconnect. */
const patienceMs = 60_000;
/** A load counts as uneven if it is larger than the node's share by this factor. */
const tolerance = 1.2;
/** Weight of a session that can move. Those on browsers stay. */
const weight = 1;
/** A browser takes about as much as 200 sessions without one. */
const webjsWeight = 200;

/** Returns what a session costs the node that runs it, as a multiple of a NOWEB session. */
export const weightOf = ({ engine }: Pick<SessionRecord, "engine">): number =>
  engine === Kind.WEBJS ? webjsWeight : 1;

/**
 * Decides if this node, which looks at all nodes every few seconds, gives a session away now. Sessions move only from nodes with more than
 * 120 % of their share of the load, and not while nodes come, go, or differ in their version or build.
 */
export function balanceLoad(
  self: string,
  nodes: readonly BalancedNode[],
  nowMs: number,
  former: Balance | undefined,
): BalanceStep {
  const living = nodes.filter(({ isAlive }) => isAlive);
  const members = JSON.stringify(living.map((node) => [node.name, String(node.epoch), node.isDraining]).sort());
  const calmSinceMs = former?.members === members ? former.calmSinceMs : nowMs;
  const own = living.find(({ name }) => name === self);
  const target = own && targetOf(own, living);
  const unevenSinceMs = target && (former?.unevenSinceMs ?? nowMs);
  const balance = { members, calmSinceMs, unevenSinceMs };
  const isRipe = unevenSinceMs !== undefined && nowMs - Math.max(unevenSinceMs, calmSinceMs) >= patienceMs;
  return { balance, target: isRipe ? target?.name : undefined };
}

/** Returns the node that should have a session of this one. */
function targetOf(own: BalancedNode, living: readonly BalancedNode[]): BalancedNode | undefined {
  const isUpdating = ({ version, build }: BalancedNode) => version !== own.version || build !== own.build;
  if (living.some((node) => node.isDraining || isUpdating(node))) return undefined;
  const sum = (of: (node: BalancedNode) => number) => living.reduce((total, node) => total + of(node), 0);
  const capacity = sum((node) => node.capacity);
  if (capacity <= 0 || own.load <= tolerance * sum(({ load }) => load) * (own.capacity / capacity)) return undefined;
  const others = living.filter(({ name, capacity: room }) => name !== own.name && room > 0);
  const emptiest = others.sort((a, b) => fillOf(a) - fillOf(b) || (a.name < b.name ? -1 : 1))[0];
  // Else the session would soon come back.
  return emptiest && fillOf(emptiest, weight) <= fillOf(own, -weight) ? emptiest : undefined;
}

const fillOf = ({ load, capacity }: BalancedNode, more = 0): number =>
  capacity > 0 ? (load + more) / capacity : Number.POSITIVE_INFINITY;
