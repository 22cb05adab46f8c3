import type { FileArchive, Profiles } from "../../ports/profiles.ts";
import { type Lease, LeaseLost } from "../../ports/sessions.ts";
import type { OpenStore } from "./store/opening.ts";
import { toStoredText } from "./store/text.ts";

/** Size of a stored part before it is sealed, at most. */
const partBytes = 1024 * 1024;

/**
 * Archives in rows of 1 MiB, under the epoch of the lease that wrote them. A node that has lost its lease can neither change a later archive
 * nor name its own in the credentials, so these writes need no fence. They share a connection with other work that may take long.
 */
export class PostgresProfiles implements Profiles {
  readonly #store: Pick<OpenStore, "connections" | "upkeep" | "values">;

  constructor(store: Pick<OpenStore, "connections" | "upkeep" | "values">) {
    this.#store = store;
  }

  archive(lease: Lease): FileArchive {
    return {
      write: (bytes) => this.#write(lease, bytes),
      read: (key) => this.#read(lease.session, key),
      remove: () => this.#remove(lease),
    };
  }

  async #write(lease: Lease, bytes: AsyncIterable<Uint8Array>): Promise<string> {
    const { connections, upkeep, values } = this.#store;
    const { session, epoch, lost } = lease;
    await this.#remove(lease);
    let part = 0;
    for await (const piece of inParts(bytes)) {
      if (lost.aborted) throw new LeaseLost(`another owner may hold session "${session}"`);
      await upkeep.query(
        `INSERT INTO sessiond.profile (session, epoch, part, bytes) VALUES ($1, $2, $3, $4)
        ON CONFLICT (session, epoch, part) DO UPDATE SET bytes = excluded.bytes`,
        [toStoredText(session), epoch, part, values.seal(piece, "profile", session, epoch, BigInt(part))],
      );
      part += 1;
    }
    await connections.upkeep.rest();
    return String(epoch);
  }

  async *#read(session: string, key: string): AsyncGenerator<Uint8Array> {
    const { upkeep, values } = this.#store;
    const epoch = BigInt(key);
    for (let part = 0; ; part += 1) {
      const [row] = await upkeep.query<{ bytes: Buffer }>(
        "SELECT bytes FROM sessiond.profile WHERE session = $1 AND epoch = $2 AND part = $3",
        [toStoredText(session), epoch, part],
      );
      if (!row) return;
      yield values.open(row.bytes, "profile", session, epoch, BigInt(part));
    }
  }

  async #remove({ session, epoch }: Lease): Promise<void> {
    const values = [toStoredText(session), epoch];
    await this.#store.upkeep.query("DELETE FROM sessiond.profile WHERE session = $1 AND epoch <= $2", values);
    // Between two hand-overs it is not needed.
    await this.#store.connections.upkeep.rest();
  }
}

/** Yields the same bytes in parts of one size, except for the last one. */
async function* inParts(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const part = Buffer.alloc(partBytes);
  let filled = 0;
  for await (const chunk of bytes) {
    for (let start = 0; start < chunk.length; ) {
      const piece = chunk.subarray(start, start + partBytes - filled);
      part.set(piece, filled);
      filled += piece.length;
      start += piece.length;
      if (filled < partBytes) continue;
      yield Buffer.from(part);
      filled = 0;
    }
  }
  if (filled > 0) yield Buffer.from(part.subarray(0, filled));
}
