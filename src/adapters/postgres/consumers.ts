import type { GroupWriter } from "../embedded/group-writer.ts";
import type { Operation } from "./store/operation.ts";
import type { Reads } from "./store/reads.ts";
import { toStoredText } from "./store/text.ts";

/** Named readers of the log, and how far each has come. */
export class PostgresConsumers {
  readonly #reads: Reads;
  readonly #writer: GroupWriter<Operation>;

  constructor(reads: Reads, writer: GroupWriter<Operation>) {
    this.#reads = reads;
    this.#writer = writer;
  }

  /** See EventLog.acknowledge. */
  acknowledge(consumer: string, cursor: bigint): Promise<bigint> {
    let furthest = cursor;
    return this.#writer.write({
      sync: true,
      prepare: async () => {
        const stored = await this.acknowledged(consumer);
        if (stored !== undefined && stored > cursor) furthest = stored;
      },
      build: (operations) => {
        operations.push({ type: "consumer", name: consumer, cursor: furthest });
        return furthest;
      },
    });
  }

  /** A consumer's cursor; undefined if it is unknown. */
  async acknowledged(consumer: string): Promise<bigint | undefined> {
    const [row] = await this.#reads.query<{ cursor: string }>(
      "SELECT cursor::text AS cursor FROM sessiond.consumer WHERE name = $1",
      [toStoredText(consumer)],
    );
    return row && BigInt(row.cursor);
  }
}
