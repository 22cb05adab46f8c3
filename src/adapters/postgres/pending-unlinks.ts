import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type PendingUnlink, PendingUnlinkSchema } from "../../../gen/sessiond/store/v1/store_pb.js";
import type { PendingUnlinks } from "../../ports/pending-unlinks.ts";
import { SealBroken } from "../../ports/sealer.ts";
import type { SessionJournal } from "./session-journal.ts";
import type { OpenStore } from "./store/opening.ts";
import type { Operation } from "./store/operation.ts";
import { fromStoredText, toStoredText } from "./store/text.ts";

/** Pending unlinks in the database. Their credentials are in the same table as those of sessions. */
export class PostgresPendingUnlinks implements PendingUnlinks {
  readonly #store: Pick<OpenStore, "reads" | "values">;
  readonly #journal: SessionJournal;

  constructor(store: OpenStore, journal: SessionJournal) {
    this.#store = store;
    this.#journal = journal;
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
    const { leases, writers } = this.#journal;
    await leases.ensure(pending.id);
    let isThere = false;
    await writers.log.write({
      sync: true,
      owner: pending.id,
      prepare: async () => {
        const rows = await this.#store.reads.query("SELECT id FROM sessiond.pending_unlink WHERE id = $1", [
          toStoredText(pending.id),
        ]);
        isThere = rows.length > 0;
      },
      build: (operations) => {
        this.#journal.authorise(pending.id, operations);
        if (isThere) operations.push(addition(pending));
      },
    });
  }

  async finish(id: string): Promise<void> {
    const { leases, ownership, writers } = this.#journal;
    await leases.ensure(id);
    await writers.log.write({
      sync: true,
      owner: id,
      // Without it, the write could follow another in its group that adds what is to be wiped.
      prepare: async () => ownership.endHandles(id),
      build: (operations) => {
        this.#journal.authorise(id, operations);
        operations.push({ type: "wipe", session: id }, { type: "unlink", id, value: null });
        ownership.endHandles(id);
      },
      written: () => leases.lose(id),
    });
  }

  /** Copies a session's credentials to a pending unlink. Nothing, where the session has none; without the values that cannot be read. */
  async additions(session: string, pending: PendingUnlink, isBound = false): Promise<Operation[]> {
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
    if (operations.length === 0) return [];
    return [
      ...operations,
      addition(pending),
      { type: "need", session: pending.id, needsOwner: true, weight: 1, isBound },
    ];
  }
}

const addition = (pending: PendingUnlink): Operation => ({
  type: "unlink",
  id: pending.id,
  value: toBinary(PendingUnlinkSchema, pending),
});
