import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Delivery, DeliverySchema } from "../../../gen/sessiond/store/v1/store_pb.js";
import { deliveryId } from "../../domain/delivery.ts";
import { fromStoredText } from "./store/text.ts";
import type { Values } from "./store/values.ts";
import { eventOf } from "./stored-events.ts";

/** A pending delivery's row. */
export interface PendingRow {
  readonly session: string;
  readonly seq: bigint;
  readonly endpoint: string;
  readonly event_id: string;
  readonly event: Buffer;
  readonly value: Buffer | null;
}

/** A settled delivery's row. */
export interface SettledRow {
  readonly session: string;
  readonly seq: bigint;
  readonly endpoint: string;
  readonly value: Buffer;
}

export const pendingColumns = "session, seq, endpoint, event_id, event, value";

/** Returns the delivery of a row. */
export function pendingOf(row: PendingRow, values: Values): Delivery {
  const { seq } = row;
  const [session, endpointId] = [fromStoredText(row.session), fromStoredText(row.endpoint)];
  const event = eventOf({ seq, session: row.session, id: row.event_id, value: row.event }, values);
  if (!row.value) {
    return create(DeliverySchema, { id: deliveryId(event.id, { seq, endpointId }), endpointId, event });
  }
  const delivery = fromBinary(DeliverySchema, values.open(row.value, "delivery", session, seq, endpointId));
  delivery.event = event;
  return delivery;
}

/** Returns the delivery of a row. */
export function settledOf({ session, seq, endpoint, value }: SettledRow, values: Values): Delivery {
  const place = [fromStoredText(session), seq, fromStoredText(endpoint)] as const;
  return fromBinary(DeliverySchema, values.open(value, "settled", ...place));
}

/** Encodes a pending delivery without its event, which its row has already. */
export function toPendingBytes({ event: _, ...rest }: Delivery): Uint8Array {
  return toBinary(DeliverySchema, rest);
}
