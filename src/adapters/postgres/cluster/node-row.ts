import type { ClusterNode } from "../../../ports/cluster.ts";
import { fromStoredText } from "../store/text.ts";

/** A row of the nodes. */
export interface NodeRow {
  readonly id: number;
  readonly name: string;
  readonly epoch: bigint;
  readonly url: string;
  readonly version: string;
  readonly build: string;
  readonly started: bigint;
  readonly beat: bigint;
  readonly capacity: number;
  readonly load: number;
  readonly draining: boolean;
  readonly returns: boolean;
  readonly fenced: boolean;
  readonly seen: bigint;
}

export const nodeColumns =
  "id, name, epoch, url, version, build, started, beat, capacity, load, draining, returns, fenced, seen";

/** Returns a row as the node that it describes. */
export const nodeOf = (row: NodeRow): ClusterNode => ({
  name: fromStoredText(row.name),
  url: row.url,
  version: row.version,
  build: row.build,
  startedAs: row.started,
  epoch: row.epoch,
  isAlive: !row.fenced,
  isDraining: row.draining,
  capacity: row.capacity,
  load: row.load,
});
