import type { SharedValues } from "../../../ports/cluster.ts";
import type { Reads } from "../store/reads.ts";
import { toStoredText } from "../store/text.ts";
import type { Values } from "../store/values.ts";

/** Small values in the database. The first one of a name stays. */
export class PostgresSharedValues implements SharedValues {
  readonly #reads: Pick<Reads, "query">;
  readonly #values: Values;

  constructor(reads: Pick<Reads, "query">, values: Values) {
    this.#reads = reads;
    this.#values = values;
  }

  async read(name: string): Promise<Uint8Array | undefined> {
    const [row] = await this.#reads.query<{ value: Buffer }>(
      "SELECT value FROM sessiond.shared_value WHERE name = $1",
      [toStoredText(name)],
    );
    return row && new Uint8Array(this.#values.open(row.value, "shared_value", name));
  }

  async add(name: string, value: Uint8Array): Promise<Uint8Array> {
    const sealed = this.#values.seal(value, "shared_value", name);
    const statement = "INSERT INTO sessiond.shared_value (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    await this.#reads.query(statement, [toStoredText(name), sealed]);
    const stored = await this.read(name);
    if (!stored) throw new Error(`the shared value "${name}" is gone`);
    return stored;
  }
}
