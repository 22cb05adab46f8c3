import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type PendingUnlink, PendingUnlinkSchema } from "../../../gen/sessiond/store/v1/store_pb.js";
import type { PendingUnlinks } from "../../ports/pending-unlinks.ts";
import { SealBroken } from "../../ports/sealer.ts";
import type { Ownership } from "../embedded/ownership.ts";
import type { OpenStore } from "./store/opening.ts";
import type { Operation } from "./store/operation.ts";
import { fromStoredText, toStoredText } from "./store/text.ts";
import type { Writers } from "./writers.ts";

/** Pending unlinks in the database. Their credentials are in the same table as those of sessions. */
export class PostgresPendingUnlinks implements PendingUnlinks {
  readonly #store: Pick<OpenStore, "reads" | "values">;
  readonly #writers: Writers;
  readonly #ownership: Ownership;

  constructor(store: OpenStore, writers: Writers, ownership: Ownership) {
    this.#store = store;
    this.#writers = writers;
    this.#ownership = ownership;
  }

  async list(): Promise<PendingUnlink[]> {
    const { reads, values } = this.#store;
    const rows = await reads.query<{ id: string; value: Buffer }>(
      "SELECT id, value FROM sessiond.pending_unlink ORDER BY id",
    );
    return rows.map(({ id, value }) =>
      fromBinary(PendingUnlinkSchema, values.open(value, "pending_unlink", fromStoredText(id))),
    );
  }

  async save(pending: PendingUnlink): Promise<void> {
    let isThere = false;
    await this.#writers.log.write({
      sync: true,
      prepare: async () => {
        const rows = await this.#store.reads.query("SELECT id FROM sessiond.pending_unlink WHERE id = $1", [
          toStoredText(pending.id),
        ]);
        isThere = rows.length > 0;
      },
      build: (operations) => {
        if (isThere) operations.push(addition(pending));
      },
    });
  }

  async finish(id: string): Promise<void> {
    await this.#writers.log.write({
      sync: true,
      // Without it, the write could follow another in its group that adds what is to be wiped.
      prepare: async () => this.#ownership.endHandles(id),
      build: (operations) => {
        operations.push({ type: "wipe", session: id }, { type: "unlink", id, value: null });
        this.#ownership.endHandles(id);
      },
    });
  }

  /** Copies a session's credentials to a pending unlink. Nothing, where the session has none; without the values that cannot be read. */
  async additions(session: string, pending: PendingUnlink): Promise<Operation[]> {
    const { reads, values } = this.#store;
    const rows = await reads.query<{ key: string; value: Buffer }>(
      "SELECT key, value FROM sessiond.credential WHERE session = $1",
      [toStoredText(session)],
    );
    const operations = rows.flatMap((row): Operation[] => {
      const key = fromStoredText(row.key);
      try {
        const value = values.open(row.value, "credential", session, key);
        return [{ type: "credentials", session: pending.id, key, value }];
      } catch (error) {
        if (error instanceof SealBroken) return [];
        throw error;
      }
    });
    return operations.length > 0 ? [...operations, addition(pending)] : [];
  }
}

const addition = (pending: PendingUnlink): Operation => ({
  type: "unlink",
  id: pending.id,
  value: toBinary(PendingUnlinkSchema, pending),
});
