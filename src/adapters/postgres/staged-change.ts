import type { Change } from "../embedded/change.ts";
import type { EventOperation } from "./store/operation.ts";

/** A change within a group. It is numbered once the group is written. */
export interface StagedChange {
  change: Change;
  readonly events: readonly EventOperation[];
}
