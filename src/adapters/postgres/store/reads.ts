import type { QueryResultRow } from "pg";
import { StoreUnavailable } from "../../../domain/errors.ts";
import type { Connection, Parameter } from "./connection.ts";
import { isTransient } from "./failures.ts";
import type { Outage } from "./outage.ts";

/** Statements that can be repeated: reads, and writes whose repetition changes nothing. */
export class Reads {
  readonly #connection: Connection;
  readonly #outage: Outage;
  #probing: Promise<void> | undefined;
  /** Reason why the last statement was given up. */
  #failure: unknown;

  constructor(connection: Connection, outage: Outage) {
    this.#connection = connection;
    this.#outage = outage;
  }

  /** Runs a statement and returns its rows. Waits for PostgreSQL for a while, then rejects with StoreUnavailable. */
  async query<Row extends QueryResultRow>(text: string, values: readonly Parameter[] = []): Promise<Row[]> {
    for (let failures = 0; ; failures += 1) {
      // It would wait for the probe, and those before it.
      if (this.#probing && this.#outage.isLong) throw new StoreUnavailable(this.#failure);
      try {
        const rows = await this.#connection.query<Row>(text, values);
        this.#outage.ended();
        return rows;
      } catch (error) {
        if (!isTransient(error)) throw error;
        await this.#outage.pause(failures, error);
        if (!this.#outage.isLong) continue;
        this.#failure = error;
        this.#probing ??= this.#probe(error).finally(() => {
          this.#probing = undefined;
        });
        throw new StoreUnavailable(error);
      }
    }
  }

  /** Resolves when statements are not refused at once. */
  async answering(): Promise<void> {
    await this.#probing;
  }

  /** Finds out when PostgreSQL answers again, though nobody may ask meanwhile. Never rejects. */
  async #probe(cause: unknown): Promise<void> {
    for (let failures = 1, error = cause; ; failures += 1) {
      try {
        await this.#outage.pause(failures, error);
      } catch {
        return;
      }
      try {
        await this.#connection.query("SELECT 1");
        return this.#outage.ended();
      } catch (failure) {
        error = failure;
      }
    }
  }
}
