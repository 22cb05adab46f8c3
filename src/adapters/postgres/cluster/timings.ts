/** The times by which nodes judge themselves and each other, ms. All are measured by each node's own clock, which nobody sets. */
export interface ClusterTimings {
  /** Interval of a node's beats. */
  readonly beatMs: number;
  /** Interval at which a node reads those of the others. */
  readonly readMs: number;
  /** Time after sending the last beat that was acknowledged, after which a node freezes. */
  readonly freezeMs: number;
  /** Time without a new beat after which a node's sessions are taken from it. Longer than `freezeMs`. */
  readonly fenceMs: number;
  /** Time between two reads, after which what was seen before does not count. */
  readonly maxGapMs: number;
  /** As `fenceMs`, for a node that said that it will be back. */
  readonly returnMs: number;
  /** Time as for `freezeMs`, after which a node gives up its sessions. */
  readonly closeMs: number;
}

export const defaultTimings: ClusterTimings = {
  beatMs: 2_000,
  readMs: 1_000,
  freezeMs: 6_000,
  fenceMs: 8_000,
  maxGapMs: 3_000,
  returnMs: 60_000,
  closeMs: 180_000,
};

/** Returns the default times, all multiplied by a factor. Tests use it. */
export function scaleTimings(factor: number): ClusterTimings {
  const scale = (ms: number) => ms * factor;
  const { beatMs, readMs, freezeMs, fenceMs, maxGapMs, returnMs, closeMs } = defaultTimings;
  return {
    beatMs: scale(beatMs),
    readMs: scale(readMs),
    freezeMs: scale(freezeMs),
    fenceMs: scale(fenceMs),
    maxGapMs: scale(maxGapMs),
    returnMs: scale(returnMs),
    closeMs: scale(closeMs),
  };
}
