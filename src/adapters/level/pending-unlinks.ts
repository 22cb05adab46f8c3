import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type PendingUnlink, PendingUnlinkSchema } from "../../../gen/sessiond/store/v1/store_pb.js";
import type { PendingUnlinks } from "../../ports/pending-unlinks.ts";
import type { Ownership } from "../embedded/ownership.ts";
import { dataRemovals } from "./engine-data.ts";
import type { Database, Operation } from "./store/database.ts";
import { keyOf, partsOf, rangeOf } from "./store/key.ts";
import type { StoreWriter } from "./store/store-writer.ts";

/** Pending unlinks in the store. Their credentials are in the same family as those of sessions. */
export class LevelPendingUnlinks implements PendingUnlinks {
  readonly #database: Database;
  readonly #writer: StoreWriter;
  readonly #ownership: Ownership;

  constructor(database: Database, writer: StoreWriter, ownership: Ownership) {
    this.#database = database;
    this.#writer = writer;
    this.#ownership = ownership;
  }

  async list(): Promise<PendingUnlink[]> {
    const values = await this.#database.values(rangeOf("pendingUnlink")).all();
    return values.map((value) => fromBinary(PendingUnlinkSchema, value));
  }

  async save(pending: PendingUnlink): Promise<void> {
    const key = keyOf("pendingUnlink", pending.id);
    let isThere = false;
    await this.#writer.write({
      sync: true,
      prepare: async () => {
        isThere = (await this.#database.get(key)) !== undefined;
      },
      build: (operations) => {
        if (isThere) operations.push(addition(pending));
      },
    });
  }

  async finish(id: string): Promise<void> {
    let removals: Operation[] = [];
    await this.#writer.write({
      sync: true,
      prepare: async () => {
        removals = await dataRemovals(this.#database, id);
      },
      build: (operations) => {
        for (const operation of removals) operations.push(operation);
        operations.push({ type: "del", key: keyOf("pendingUnlink", id) });
        this.#ownership.endHandles(id);
      },
    });
  }

  /** Copies a session's credentials to a pending unlink. Nothing, where the session has none; without the values that cannot be read. */
  async additions(session: string, pending: PendingUnlink): Promise<Operation[]> {
    const operations: Operation[] = [];
    for (const key of await this.#database.keys(rangeOf("credentials", session)).all()) {
      const [, name = ""] = partsOf(key, 2).texts;
      const value = await this.#database.get(key).catch(() => undefined);
      if (value) operations.push({ type: "put", key: keyOf("credentials", pending.id, name), value });
    }
    return operations.length > 0 ? [...operations, addition(pending)] : [];
  }
}

const addition = (pending: PendingUnlink): Operation => ({
  type: "put",
  key: keyOf("pendingUnlink", pending.id),
  value: toBinary(PendingUnlinkSchema, pending),
});
