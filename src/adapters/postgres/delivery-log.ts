import { toBinary } from "@bufbuild/protobuf";
import type { Delivery } from "../../../gen/sessiond/store/v1/store_pb.js";
import { EventSchema } from "../../../gen/sessiond/v1/event_pb.js";
import { WebhookDelivery_State as State } from "../../../gen/sessiond/v1/webhook_pb.js";
import type { DeliveryName } from "../../domain/delivery.ts";
import type { DeliveryQuery } from "../../ports/outbox.ts";
import { dueMsOf, seqOf } from "../embedded/delivery-queue.ts";
import { dueAgain } from "../embedded/settlement.ts";
import {
  type PendingRow,
  pendingColumns,
  pendingOf,
  type SettledRow,
  settledOf,
  toPendingBytes,
} from "./delivery-rows.ts";
import type { SettledState } from "./retention.ts";
import type { SessionJournal } from "./session-journal.ts";
import type { OpenStore } from "./store/opening.ts";
import type { Operation } from "./store/operation.ts";
import { fromStoredText, toStoredText } from "./store/text.ts";

/** A settled delivery that can be sent again: its new state, and its former one. */
interface Resending {
  readonly delivery: Delivery;
  readonly former: SettledState;
}

/** A row of either table. */
interface DeliveryRow extends SettledRow, Record<string, unknown> {
  readonly is_pending: boolean;
  readonly is_delivered: boolean | null;
  readonly event_id: string;
  readonly event: Buffer;
}

/** The table of the deliveries in a state, and the condition that they meet there. */
const placeOf: Partial<Record<State, { table: "delivery" | "settled"; condition: string }>> = {
  [State.PENDING]: { table: "delivery", condition: "due IS NULL" },
  [State.RETRYING]: { table: "delivery", condition: "due IS NOT NULL" },
  [State.DELIVERED]: { table: "settled", condition: "is_delivered" },
  [State.FAILED]: { table: "settled", condition: "NOT is_delivered" },
};

const columnsOf = {
  delivery: `true AS is_pending, NULL::boolean AS is_delivered, ${pendingColumns}`,
  settled: "false AS is_pending, is_delivered, session, seq, endpoint, '' AS event_id, ''::bytea AS event, value",
};

/** Reads deliveries by session, newest event first, wherever they lie. */
export class DeliveryLog {
  readonly #store: OpenStore;
  readonly #journal: SessionJournal;

  constructor(store: OpenStore, journal: SessionJournal) {
    this.#store = store;
    this.#journal = journal;
  }

  /** See Outbox.deliveries. */
  async list(session: string, { state, endpointId, before, limit }: DeliveryQuery): Promise<Delivery[]> {
    const place = state ? placeOf[state] : undefined;
    if (state && !place) return [];
    const parameters: (string | bigint | number)[] = [toStoredText(session), limit];
    const conditions = ["session = $1", ...(place ? [place.condition] : [])];
    if (endpointId !== undefined) conditions.push(`endpoint = $${parameters.push(toStoredText(endpointId))}`);
    if (before) {
      const seq = parameters.push(before.seq);
      conditions.push(`(seq, endpoint) < ($${seq}::bigint, $${parameters.push(toStoredText(before.endpointId))})`);
    }
    const tables = place ? [place.table] : (["delivery", "settled"] as const);
    const newest = "ORDER BY seq DESC, endpoint DESC LIMIT $2";
    const selects = tables.map(
      (table) => `(SELECT ${columnsOf[table]} FROM sessiond.${table} WHERE ${conditions.join(" AND ")} ${newest})`,
    );
    const rows = await this.#store.reads.query<DeliveryRow>(
      `SELECT * FROM (${selects.join(" UNION ALL ")}) AS found ${newest}`,
      parameters,
    );
    return rows.map((row) => this.#deliveryOf(row));
  }

  /** See Outbox.sessionsWith. Leaps from session to session along an index. */
  async sessionsWith(state: State): Promise<string[]> {
    const place = placeOf[state];
    if (!place) return [];
    const next = (after: string) =>
      `(SELECT session FROM sessiond.${place.table} WHERE ${place.condition} ${after} ORDER BY session LIMIT 1)`;
    const rows = await this.#store.reads.query<{ session: string }>(
      `WITH RECURSIVE found (session) AS (
        ${next("")} UNION ALL SELECT ${next("AND session > found.session")} FROM found WHERE found.session IS NOT NULL
      ) SELECT session FROM found WHERE session IS NOT NULL`,
    );
    return rows.map(({ session }) => fromStoredText(session));
  }

  /** See Outbox.delivery. */
  async get(session: string, name: DeliveryName): Promise<Delivery | undefined> {
    const row = await this.#rowOf(session, name);
    return row && this.#deliveryOf(row);
  }

  /** See Outbox.resend. */
  async resend(session: string, names: readonly DeliveryName[], nowMs: number): Promise<Delivery[]> {
    const { leases, writers, retention, queues } = this.#journal;
    await leases.ensure(session);
    let resendings: readonly Resending[] = [];
    return writers.log.write({
      sync: true,
      owner: session,
      prepare: async () => {
        const each = new Map(names.map((name) => [`${name.seq} ${name.endpointId}`, name]));
        const found = await Promise.all(Array.from(each.values(), (name) => this.#resending(session, name, nowMs)));
        resendings = found.flatMap((one) => one ?? []);
      },
      build: (operations) => {
        this.#journal.authorise(session, operations);
        const need = resendings.length > 0 ? leases.stageNeed(session, { needsOwner: true }) : undefined;
        if (need) operations.push(need);
        for (const { delivery } of resendings) operations.push(resendOperation(session, delivery));
        return resendings.map(({ delivery }) => delivery);
      },
      written: (deliveries) => {
        for (const { former } of resendings) retention.added(former, session, -1);
        queues.addRetries(session, deliveries);
      },
    });
  }

  /** Returns a delivery as due again, if it is settled and its endpoint and event still exist. */
  async #resending(session: string, name: DeliveryName, nowMs: number): Promise<Resending | undefined> {
    const { endpointId, seq } = name;
    const endpoint = this.#store.endpoints.get({ session, endpointId });
    if (!endpoint || endpoint.removed) return undefined;
    const row = await this.#rowOf(session, name);
    if (!row || row.is_pending) return undefined;
    const delivery = this.#deliveryOf(row);
    const event = row.is_delivered ? await this.#journal.events.at(session, seq) : delivery.event;
    if (!event) return undefined;
    return { delivery: dueAgain(delivery, event, nowMs), former: row.is_delivered ? "delivered" : "failed" };
  }

  async #rowOf(session: string, { seq, endpointId }: DeliveryName): Promise<DeliveryRow | undefined> {
    const condition = "session = $1 AND seq = $2 AND endpoint = $3";
    const selects = (["delivery", "settled"] as const).map(
      (table) => `SELECT ${columnsOf[table]} FROM sessiond.${table} WHERE ${condition}`,
    );
    const [row] = await this.#store.reads.query<DeliveryRow>(selects.join(" UNION ALL "), [
      toStoredText(session),
      seq,
      toStoredText(endpointId),
    ]);
    return row;
  }

  #deliveryOf(row: DeliveryRow): Delivery {
    return row.is_pending
      ? pendingOf(row satisfies PendingRow, this.#store.values)
      : settledOf(row, this.#store.values);
  }
}

function resendOperation(session: string, delivery: Delivery): Operation {
  const { event, endpointId } = delivery;
  return {
    type: "resend",
    session,
    seq: seqOf(delivery),
    endpoint: endpointId,
    dueMs: dueMsOf(delivery),
    eventId: event?.id ?? "",
    event: event ? toBinary(EventSchema, { ...event, seq: 0n }) : new Uint8Array(),
    value: toPendingBytes(delivery),
  };
}
