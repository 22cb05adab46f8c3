import { toBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type Delivery,
  DeliverySchema,
  type Endpoint,
  type EndpointHealth,
  EndpointSchema,
} from "../../../gen/sessiond/store/v1/store_pb.js";
import type { AttemptReport, NewEvent } from "../../ports/outbox.ts";
import { dueMsOf, seqOf } from "../embedded/delivery-queue.ts";
import type { DeliveryStore } from "../embedded/delivery-queues.ts";
import type { EndpointName, Endpoints } from "../embedded/endpoints.ts";
import type { GroupWriter } from "../embedded/group-writer.ts";
import type { Settlement } from "../embedded/settlement.ts";
import { type PendingRow, pendingColumns, pendingOf, toPendingBytes } from "./delivery-rows.ts";
import type { SettledState } from "./retention.ts";
import type { StagedChange } from "./staged-change.ts";
import type { OpenStore } from "./store/opening.ts";
import type { Operation } from "./store/operation.ts";
import { toStoredText } from "./store/text.ts";

/** Callbacks into the backend used while settling a delivery. */
export interface SettlingContext {
  /** Something of this endpoint is pending. */
  isPending(name: EndpointName): boolean;
  /** Returns true if the session exists; only then is its settled delivery stored. */
  isKept(session: string): boolean;
  /** Makes a write depend on this node's right to write the session. Throws LeaseLost if it has none. */
  authorise(session: string, operations: Operation[]): void;
  /** Adds to the log, within a write. */
  append(session: string, events: readonly NewEvent[], operations: Operation[]): StagedChange;
  /** Publishes a change that is written. */
  announce(session: string, staged: StagedChange): void;
  /** Called when a settled delivery is stored. */
  settled(session: string, state: SettledState): void;
}

/** Pending deliveries and their endpoints. */
export class PostgresDeliveryStore implements DeliveryStore {
  readonly #store: Pick<OpenStore, "reads" | "values">;
  readonly #endpoints: Endpoints;
  readonly #writer: GroupWriter<Operation>;
  readonly #context: SettlingContext;

  constructor(store: OpenStore, writer: GroupWriter<Operation>, context: SettlingContext) {
    this.#store = store;
    this.#endpoints = store.endpoints;
    this.#writer = writer;
    this.#context = context;
  }

  endpoint(name: EndpointName): Endpoint | undefined {
    return this.#endpoints.get(name);
  }

  firstAttempts({ session, endpointId }: EndpointName, afterSeq: bigint, limit: number): Promise<Delivery[]> {
    return this.#read("due IS NULL AND session = $1 AND endpoint = $2 AND seq > $3 ORDER BY seq LIMIT $4", [
      toStoredText(session),
      toStoredText(endpointId),
      afterSeq,
      limit,
    ]);
  }

  retries({ session, endpointId }: EndpointName, fromMs: number, limit: number): Promise<Delivery[]> {
    return this.#read("due IS NOT NULL AND session = $1 AND endpoint = $2 AND due >= $3 ORDER BY due, seq LIMIT $4", [
      toStoredText(session),
      toStoredText(endpointId),
      fromMs,
      limit,
    ]);
  }

  async settle(name: EndpointName, delivery: Delivery, settlement: Settlement, report?: AttemptReport): Promise<void> {
    const { session } = name;
    const context = this.#context;
    const { events = [] } = report ?? {};
    if (report?.health !== undefined) this.#endpoints.setHealth(name, report.health ?? undefined);
    await this.#writer.write({
      sync: true,
      owner: session,
      build: (operations) => {
        context.authorise(session, operations);
        const state = this.#addSettlement(name, delivery, settlement, operations);
        if (report?.health !== undefined) this.#addEndpoint(name, operations);
        return { state, staged: events.length > 0 ? context.append(session, events, operations) : undefined };
      },
      written: ({ state, staged }) => {
        if (state) context.settled(session, state);
        if (staged) context.announce(session, staged);
      },
    });
  }

  /** See Outbox.setHealth. */
  async setHealth(name: EndpointName, health: EndpointHealth | undefined): Promise<Endpoint | undefined> {
    const endpoint = this.#endpoints.setHealth(name, health);
    if (!endpoint) return undefined;
    await this.#writer.write({
      sync: true,
      owner: name.session,
      build: (operations) => {
        this.#context.authorise(name.session, operations);
        this.#addEndpoint(name, operations);
      },
    });
    return endpoint;
  }

  emptied(name: EndpointName): void {
    if (!this.#endpoints.get(name)?.removed) return;
    // Checked again at the time of writing. A failure is repaired when the store is opened again.
    const write = this.#writer.write({
      sync: false,
      owner: name.session,
      build: (operations) => this.#forget(name, operations),
    });
    write.catch(() => {});
  }

  #addSettlement(
    { session, endpointId }: EndpointName,
    delivery: Delivery,
    settlement: Settlement,
    operations: Operation[],
  ): SettledState | undefined {
    const place = { session, seq: seqOf(delivery), endpoint: endpointId };
    if (settlement.type === "retry") {
      const { next } = settlement;
      operations.push({ type: "retry", ...place, dueMs: dueMsOf(next), value: toPendingBytes(next) });
      return undefined;
    }
    const isKept = this.#context.isKept(session);
    const { settledAt } = settlement.kept;
    const isDelivered = settlement.type === "done";
    operations.push({
      type: "settle",
      ...place,
      isDelivered,
      wallMs: settledAt ? timestampMs(settledAt) : 0,
      value: isKept ? toBinary(DeliverySchema, settlement.kept) : null,
    });
    if (!isKept) return undefined;
    return isDelivered ? "delivered" : "failed";
  }

  /** As it is by now: a change of its configuration may have come meanwhile. */
  #addEndpoint(name: EndpointName, operations: Operation[]): void {
    const endpoint = this.#endpoints.get(name);
    if (endpoint) operations.push(endpointAddition(name.session, endpoint));
  }

  #forget(name: EndpointName, operations: Operation[]): void {
    if (!this.#endpoints.get(name)?.removed || this.#context.isPending(name)) return;
    this.#context.authorise(name.session, operations);
    this.#endpoints.delete(name);
    operations.push({ type: "endpoint", session: name.session, id: name.endpointId, value: null });
  }

  async #read(condition: string, parameters: readonly (string | number | bigint)[]): Promise<Delivery[]> {
    const { reads, values } = this.#store;
    const rows = await reads.query<PendingRow & Record<string, unknown>>(
      `SELECT ${pendingColumns} FROM sessiond.delivery WHERE ${condition}`,
      parameters,
    );
    return rows.map((row) => pendingOf(row, values));
  }
}

/** Returns the operation that stores an endpoint. */
export const endpointAddition = (session: string, endpoint: Endpoint): Operation => ({
  type: "endpoint",
  session,
  id: endpoint.id,
  value: toBinary(EndpointSchema, endpoint),
});
