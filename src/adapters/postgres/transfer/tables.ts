import { createHash } from "node:crypto";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import {
  DeliverySchema,
  OutgoingMessageSchema,
  SessionRecordSchema,
} from "../../../../gen/sessiond/store/v1/store_pb.js";
import { EventSchema } from "../../../../gen/sessiond/v1/event_pb.js";
import { deliveryId } from "../../../domain/delivery.ts";
import { isUnsent } from "../../../domain/outgoing.ts";
import type { EntryFamily, StoreEntry } from "../../../ports/transfer.ts";
import { dueMsOf, isRetry } from "../../embedded/delivery-queue.ts";
import { type PendingRow, pendingOf, toPendingBytes } from "../delivery-rows.ts";
import { fromStoredText, toStoredText } from "../store/text.ts";
import type { Values, ValueTable } from "../store/values.ts";

/** A row as it is read. */
export type ReadRow = Readonly<Record<string, string | bigint | Buffer | null>>;
/** A row as it is written: bytes stand for columns of type bytea. */
export type WrittenRow = Readonly<Record<string, string | number | boolean | Uint8Array | null>>;

/** How the entries of a family lie in a table. */
export interface Layout {
  readonly table: string;
  /** Columns by which the rows are sorted and read in pages. */
  readonly key: readonly string[];
  /** Columns with their types, as they are written. */
  readonly columns: Readonly<Record<string, "text" | "bigint" | "boolean" | "numeric" | "bytea">>;
  /** Condition of the family's rows. */
  readonly condition?: string;
  entryOf(row: ReadRow, values: Values): StoreEntry;
  rowOf(entry: StoreEntry, values: Values): WrittenRow;
}

const noBytes = new Uint8Array();

export const layouts: Readonly<Record<EntryFamily, Layout>> = {
  session: {
    table: "session",
    key: ["name"],
    columns: { name: "text", record: "bytea", creation_key: "bytea" },
    entryOf: (row, values) => {
      const name = textOf(row, "name");
      return { names: [name], number: 0n, value: values.open(bytesOf(row, "record"), "session", name) };
    },
    rowOf: ({ names: [name = ""], value }, values) => {
      const { creation } = fromBinary(SessionRecordSchema, value);
      const key = creation && createHash("sha256").update(creation.idempotencyKey).digest();
      return { name: toStoredText(name), record: values.seal(value, "session", name), creation_key: key ?? null };
    },
  },
  messages: valuesOf("messages", "session"),
  endpoint: valuesOf("endpoint", "session", "id"),
  credentials: valuesOf("credential", "session", "key"),
  chats: valuesOf("chat", "session", "key"),
  pendingUnlink: valuesOf("pending_unlink", "id"),
  event: {
    table: "event",
    key: ["seq"],
    columns: { seq: "bigint", session: "text", id: "text", at: "bigint", value: "bytea" },
    entryOf(row, values) {
      const session = textOf(row, "session");
      const value = values.open(bytesOf(row, "value"), "event", session, textOf(row, "id"));
      return { names: [session], number: numberOf(row, "seq"), value };
    },
    rowOf({ names: [session = ""], number, value }, values) {
      const { id, time } = fromBinary(EventSchema, value);
      return {
        seq: String(number),
        session: toStoredText(session),
        id: toStoredText(id),
        at: time ? timestampMs(time) : 0,
        value: values.seal(value, "event", session, id),
      };
    },
  },
  trimmed: {
    table: "trimmed",
    key: ["session"],
    columns: { session: "text", seq: "bigint" },
    entryOf: (row) => ({ names: [textOf(row, "session")], number: numberOf(row, "seq"), value: noBytes }),
    rowOf: ({ names: [session = ""], number }) => ({ session: toStoredText(session), seq: String(number) }),
  },
  pending: {
    table: "delivery",
    key: ["session", "seq", "endpoint"],
    columns: {
      session: "text",
      seq: "bigint",
      endpoint: "text",
      due: "bigint",
      event_id: "text",
      event: "bytea",
      value: "bytea",
    },
    entryOf(row, values) {
      const delivery = pendingOf(pendingRowOf(row), values);
      return {
        names: [textOf(row, "session"), delivery.endpointId],
        number: numberOf(row, "seq"),
        value: toBinary(DeliverySchema, delivery),
      };
    },
    rowOf: pendingRow,
  },
  delivered: settledAs(true),
  failed: settledAs(false),
  outgoing: {
    table: "outgoing",
    key: ["session", "place"],
    columns: {
      session: "text",
      place: "bigint",
      id: "text",
      key_hash: "bytea",
      state: "bigint",
      is_unsent: "boolean",
      at: "bigint",
      value: "bytea",
    },
    entryOf(row, values) {
      const [session, place] = [textOf(row, "session"), numberOf(row, "place")];
      const value = values.open(bytesOf(row, "value"), "outgoing", session, place);
      return { names: [session], number: place, value };
    },
    rowOf({ names: [session = ""], number: place, value }, values) {
      const { id, keyHash, state, acceptedAt } = fromBinary(OutgoingMessageSchema, value);
      return {
        session: toStoredText(session),
        place: String(place),
        id: toStoredText(id),
        key_hash: keyHash.length > 0 ? keyHash : null,
        state,
        is_unsent: isUnsent(state),
        at: acceptedAt ? timestampMs(acceptedAt) : 0,
        value: values.seal(value, "outgoing", session, place),
      };
    },
  },
  consumer: {
    table: "consumer",
    key: ["name"],
    columns: { name: "text", cursor: "numeric" },
    entryOf: (row) => ({ names: [textOf(row, "name")], number: BigInt(textOf(row, "cursor")), value: noBytes }),
    rowOf: ({ names: [name = ""], number }) => ({ name: toStoredText(name), cursor: String(number) }),
  },
};

/** Layout of a table whose rows are a key of texts and a value. */
function valuesOf(table: ValueTable, ...key: readonly string[]): Layout {
  const texts = Object.fromEntries(key.map((column) => [column, "text"] as const));
  return {
    table,
    key,
    columns: { ...texts, value: "bytea" },
    entryOf(row, values) {
      const names = key.map((column) => textOf(row, column));
      return { names, number: 0n, value: values.open(bytesOf(row, "value"), table, ...names) };
    },
    rowOf: ({ names, value }, values) => ({
      ...Object.fromEntries(key.map((column, index) => [column, toStoredText(names[index] ?? "")])),
      value: values.seal(value, table, ...names),
    }),
  };
}

/** As for deliveries that the server has written: a first attempt has no value of its own, unless it is from an earlier version. */
function pendingRow(
  { names: [session = "", endpoint = ""], number: seq, value }: StoreEntry,
  values: Values,
): WrittenRow {
  const delivery = fromBinary(DeliverySchema, value);
  const { event } = delivery;
  const eventId = event?.id ?? "";
  const eventBytes = event ? toBinary(EventSchema, { ...event, seq: 0n }) : noBytes;
  const own = toPendingBytes(delivery);
  const first = create(DeliverySchema, {
    id: deliveryId(eventId, { seq, endpointId: endpoint }),
    endpointId: endpoint,
  });
  const isFirst = Buffer.compare(own, toPendingBytes(first)) === 0;
  return {
    session: toStoredText(session),
    seq: String(seq),
    endpoint: toStoredText(endpoint),
    due: isRetry(delivery) ? dueMsOf(delivery) : null,
    event_id: toStoredText(eventId),
    event: values.seal(eventBytes, "event", session, eventId),
    value: isFirst ? null : values.seal(own, "delivery", session, seq, endpoint),
  };
}

function pendingRowOf(row: ReadRow): PendingRow {
  const { session, endpoint, event_id } = row;
  if (typeof session !== "string" || typeof endpoint !== "string" || typeof event_id !== "string")
    throw wrongColumn("session");
  return {
    session,
    endpoint,
    event_id,
    seq: numberOf(row, "seq"),
    event: bytesOf(row, "event"),
    value: row.value === null ? null : bytesOf(row, "value"),
  };
}

function settledAs(isDelivered: boolean): Layout {
  return {
    table: "settled",
    key: ["session", "seq", "endpoint"],
    columns: {
      session: "text",
      seq: "bigint",
      endpoint: "text",
      is_delivered: "boolean",
      at: "bigint",
      value: "bytea",
    },
    condition: isDelivered ? "is_delivered" : "NOT is_delivered",
    entryOf(row, values) {
      const [session, endpoint, seq] = [textOf(row, "session"), textOf(row, "endpoint"), numberOf(row, "seq")];
      const value = values.open(bytesOf(row, "value"), "settled", session, seq, endpoint);
      return { names: [session, endpoint], number: seq, value };
    },
    rowOf({ names: [session = "", endpoint = ""], number: seq, value }, values) {
      const { settledAt } = fromBinary(DeliverySchema, value);
      return {
        session: toStoredText(session),
        seq: String(seq),
        endpoint: toStoredText(endpoint),
        is_delivered: isDelivered,
        at: settledAt ? timestampMs(settledAt) : 0,
        value: values.seal(value, "settled", session, seq, endpoint),
      };
    },
  };
}

function textOf(row: ReadRow, column: string): string {
  const value = row[column];
  if (typeof value !== "string") throw wrongColumn(column);
  return fromStoredText(value);
}

function numberOf(row: ReadRow, column: string): bigint {
  const value = row[column];
  if (typeof value !== "bigint") throw wrongColumn(column);
  return value;
}

function bytesOf(row: ReadRow, column: string): Buffer {
  const value = row[column];
  if (!Buffer.isBuffer(value)) throw wrongColumn(column);
  return value;
}

const wrongColumn = (column: string) => new TypeError(`the column ${column} has another type`);
