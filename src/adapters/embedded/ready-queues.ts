import type { DeliveryQueue } from "./delivery-queue.ts";

/** How many deliveries of troubled queues are under way at once, of all of them together. */
const maxTroubled = 128;

/**
 * Queues that have something to do, in the order of their turns. Those whose last delivery failed or took long are troubled:
 * they take turns with the others, but can hold only a part of what is in flight.
 */
export class ReadyQueues {
  readonly #well = new Set<DeliveryQueue>();
  readonly #ill = new Set<DeliveryQueue>();
  /** Survives as long as the queue has something pending. */
  readonly #troubled = new WeakSet<DeliveryQueue>();
  #illInFlight = 0;
  #illTookTurn = false;

  /** Puts one at the end of its line, unless it is in line. */
  add(queue: DeliveryQueue): void {
    const [line, other] = this.#troubled.has(queue) ? [this.#ill, this.#well] : [this.#well, this.#ill];
    other.delete(queue);
    line.add(queue);
  }

  delete(queue: DeliveryQueue): void {
    this.#well.delete(queue);
    this.#ill.delete(queue);
  }

  /** Yields the queues that may go now. The caller deletes the one that goes. */
  *inTurn(): Iterable<DeliveryQueue> {
    const lines = this.#illTookTurn ? [this.#well, this.#ill] : [this.#ill, this.#well];
    for (const line of lines) {
      for (const queue of line) {
        if (line === this.#ill && this.#illInFlight >= maxTroubled) break;
        yield queue;
      }
    }
  }

  /** Notes a delivery in flight. The function returned is called when it is settled, with whether it failed or was slow. */
  taken(queue: DeliveryQueue): (troubled: boolean) => void {
    const ill = this.#troubled.has(queue);
    if (ill) this.#illInFlight += 1;
    this.#illTookTurn = ill;
    return (troubled) => {
      if (ill) this.#illInFlight -= 1;
      if (troubled) this.#troubled.add(queue);
      else this.#troubled.delete(queue);
    };
  }
}
