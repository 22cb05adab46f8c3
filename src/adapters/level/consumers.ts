import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ConsumerSchema } from "../../../gen/sessiond/store/v1/store_pb.js";
import type { Database } from "./store/database.ts";
import { keyOf } from "./store/key.ts";
import type { StoreWriter } from "./store/store-writer.ts";

/** Named readers of the log, and how far each has come. */
export class LevelConsumers {
  readonly #database: Database;
  readonly #writer: StoreWriter;

  constructor(database: Database, writer: StoreWriter) {
    this.#database = database;
    this.#writer = writer;
  }

  /** See EventLog.acknowledge. */
  acknowledge(consumer: string, cursor: bigint): Promise<bigint> {
    let furthest = cursor;
    return this.#writer.write({
      sync: true,
      prepare: async () => {
        const kept = await this.acknowledged(consumer);
        if (kept !== undefined && kept > cursor) furthest = kept;
      },
      build: (operations) => {
        const value = toBinary(ConsumerSchema, create(ConsumerSchema, { cursor: furthest }));
        operations.push({ type: "put", key: keyOf("consumer", consumer), value });
        return furthest;
      },
    });
  }

  /** A consumer's cursor; undefined if it is unknown. */
  async acknowledged(consumer: string): Promise<bigint | undefined> {
    const value: Uint8Array | undefined = await this.#database.get(keyOf("consumer", consumer));
    return value && fromBinary(ConsumerSchema, value).cursor;
  }
}
