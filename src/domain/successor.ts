/** A node as a possible successor of one that ends. */
export interface Successor {
  readonly name: string;
  readonly isAlive: boolean;
  readonly isDraining: boolean;
  readonly version: string;
  /** Program and settings beside the version. */
  readonly build: string;
  /** Place of its start among those of all nodes. */
  readonly startedAs: bigint;
  readonly capacity: number;
  readonly load: number;
}

/**
 * Returns the node that takes the next session of node `self`, which ends; undefined if there is none. Nodes with room come before those
 * without; then those of the newest build, which an update does not end again; then those with most room.
 */
export function chooseSuccessor(self: string, nodes: readonly Successor[]): string | undefined {
  const living = nodes.filter(({ isAlive }) => isAlive);
  const ages = buildAges(living);
  const order = (node: Successor) => [Number(fillOf(node) >= 1), -(ages.get(buildOf(node)) ?? 0), fillOf(node)];
  const candidates = living
    .filter(({ name, isDraining }) => name !== self && !isDraining)
    .sort((a, b) => compareAll(order(a), order(b)) || (a.name < b.name ? -1 : 1));
  return candidates[0]?.name;
}

/** Returns the place of each build among all, the oldest first. A build is as old as the first of its nodes, as others may have started again. */
function buildAges(nodes: readonly Successor[]): ReadonlyMap<string, number> {
  const byStart = nodes.toSorted((a, b) => Number(a.startedAs - b.startedAs));
  return new Map([...new Set(byStart.map(buildOf))].map((build, age) => [build, age]));
}

const buildOf = ({ version, build }: Successor): string => JSON.stringify([version, build]);

const fillOf = ({ load, capacity }: Successor): number => load / Math.max(1, capacity);

/** Compares lists of numbers by the first that differs. */
function compareAll(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, i) => value !== b[i]);
  return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}
