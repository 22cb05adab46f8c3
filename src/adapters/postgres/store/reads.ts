import type { QueryResultRow } from "pg";
import { StoreUnavailable } from "../../../domain/errors.ts";
import type { Connection, Parameter } from "./connection.ts";
import { isTransient } from "./failures.ts";
import type { Outage } from "./outage.ts";

/** Statements that can be repeated: reads, and writes whose repetition changes nothing. */
export class Reads {
  readonly #connection: Connection;
  readonly #outage: Outage;

  constructor(connection: Connection, outage: Outage) {
    this.#connection = connection;
    this.#outage = outage;
  }

  /** Runs a statement and returns its rows. Waits for PostgreSQL for a while, then rejects with StoreUnavailable. */
  async query<Row extends QueryResultRow>(text: string, values: readonly Parameter[] = []): Promise<Row[]> {
    for (let failures = 0; ; failures += 1) {
      try {
        const rows = await this.#connection.query<Row>(text, values);
        this.#outage.ended();
        return rows;
      } catch (error) {
        if (!isTransient(error)) throw error;
        await this.#outage.pause(failures, error);
        if (this.#outage.isLong) throw new StoreUnavailable(error);
      }
    }
  }
}
