/** A node that takes sessions. */
export interface ShareTaker {
  readonly capacity: number;
  readonly load: number;
}

/**
 * Returns the weight of sessions that a node takes now, of `open` that have no owner, so that the loads of all takers come to match their
 * capacities. `rounds`: number of times that some were left; each later one takes more, so that none is left because a taker does not take.
 */
export function fairRoom(self: ShareTaker, others: readonly ShareTaker[], open: number, rounds: number): number {
  const takers = [self, ...others];
  const capacities = takers.reduce((sum, { capacity }) => sum + capacity, 0);
  const part = capacities > 0 ? self.capacity / capacities : 1 / takers.length;
  const total = takers.reduce((sum, { load }) => sum + load, open);
  const share = Math.ceil(total * part) - self.load;
  const more = Math.ceil((open * Math.max(0, rounds - patientRounds)) / 4);
  return Math.min(open, Math.max(0, share, more));
}

/** Number of rounds in which each node only takes its share. */
const patientRounds = 2;
