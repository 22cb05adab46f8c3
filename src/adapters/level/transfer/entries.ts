import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ConsumerSchema, DeliverySchema, OutgoingMessageSchema } from "../../../../gen/sessiond/store/v1/store_pb.js";
import { EventSchema } from "../../../../gen/sessiond/v1/event_pb.js";
import type { EntryFamily, StoreEntry } from "../../../ports/transfer.ts";
import { isRetry } from "../../embedded/delivery-queue.ts";
import { firstAttemptAddition, retryAdditions } from "../delivery-store.ts";
import { outgoingAdditions } from "../outgoing-entries.ts";
import type { Database, Operation } from "../store/database.ts";
import { type Family, keyOf, numberBytes, numberOf, partsOf, rangeOf } from "../store/key.ts";

/** Number of entries at a time, and their size. */
const pageEntries = 256;
const pageBytes = 1_048_576;

const noBytes = new Uint8Array();

/** Layout of a family's entries in LevelDB. */
interface Layout {
  readonly families: readonly Family[];
  entryOf(key: Uint8Array, value: Uint8Array): StoreEntry;
  operationsOf(entry: StoreEntry): Operation[];
}

const layouts: Readonly<Record<EntryFamily, Layout>> = {
  session: valuesOf("record", 1),
  messages: valuesOf("messages", 1),
  endpoint: valuesOf("endpoint", 2),
  credentials: valuesOf("credentials", 2),
  chats: valuesOf("chats", 2),
  pendingUnlink: valuesOf("pendingUnlink", 1),
  event: {
    families: ["event"],
    entryOf(_, value) {
      const event = fromBinary(EventSchema, value);
      return {
        names: [event.session],
        number: event.seq,
        value: toBinary(EventSchema, { ...event, seq: 0n }),
      };
    },
    operationsOf({ names, number: seq, value }) {
      const event = fromBinary(EventSchema, value);
      return [
        { type: "put", key: keyOf("event", seq), value: toBinary(EventSchema, { ...event, seq }) },
        { type: "put", key: keyOf("sessionEvent", ...names, seq), value: noBytes },
      ];
    },
  },
  trimmed: {
    families: ["trimmed"],
    entryOf: (key, value) => ({ names: partsOf(key, 1).texts, number: numberOf(value), value: noBytes }),
    operationsOf: ({ names, number }) => [{ type: "put", key: keyOf("trimmed", ...names), value: numberBytes(number) }],
  },
  pending: {
    families: ["firstAttempt", "retry"],
    entryOf(key, value) {
      const { texts, numbers } = partsOf(key, 2);
      const delivery = fromBinary(DeliverySchema, value);
      return { names: texts, number: numbers.at(-1) ?? 0n, value: toBinary(DeliverySchema, delivery) };
    },
    operationsOf({ names: [session = ""], value }) {
      const delivery = fromBinary(DeliverySchema, value);
      if (isRetry(delivery)) return retryAdditions(session, delivery);
      const event = delivery.event ? toBinary(EventSchema, delivery.event) : noBytes;
      return [firstAttemptAddition(session, delivery, event)];
    },
  },
  delivered: settledIn("delivered"),
  failed: settledIn("failed"),
  outgoing: {
    families: ["outgoing"],
    entryOf(key, value) {
      const { texts, numbers } = partsOf(key, 1);
      return { names: texts, number: numbers[0] ?? 0n, value };
    },
    operationsOf: ({ names: [session = ""], value }) =>
      outgoingAdditions(session, fromBinary(OutgoingMessageSchema, value)),
  },
  consumer: {
    families: ["consumer"],
    entryOf: (key, value) => ({
      names: partsOf(key, 1).texts,
      number: fromBinary(ConsumerSchema, value).cursor,
      value: noBytes,
    }),
    operationsOf: ({ names, number: cursor }) => [
      {
        type: "put",
        key: keyOf("consumer", ...names),
        value: toBinary(ConsumerSchema, create(ConsumerSchema, { cursor })),
      },
    ],
  },
};

/** Yields all entries of a family, some at a time. */
export async function* readEntries(database: Database, family: EntryFamily): AsyncGenerator<StoreEntry[]> {
  const { families, entryOf } = layouts[family];
  let page: StoreEntry[] = [];
  let bytes = 0;
  for (const stored of families) {
    for await (const [key, value] of database.iterator(rangeOf(stored))) {
      page.push(entryOf(key, value));
      bytes += value.length;
      if (page.length < pageEntries && bytes < pageBytes) continue;
      yield page;
      page = [];
      bytes = 0;
    }
  }
  if (page.length > 0) yield page;
}

/** Returns the operations that add entries of a family. */
export const entryAdditions = (family: EntryFamily, entries: readonly StoreEntry[]): Operation[] =>
  entries.flatMap((entry) => layouts[family].operationsOf(entry));

/** Layout of entries with the same texts in their keys, and the same values. */
function valuesOf(family: Family, texts: number): Layout {
  return {
    families: [family],
    entryOf: (key, value) => ({ names: partsOf(key, texts).texts, number: 0n, value }),
    operationsOf: ({ names, value }) => [{ type: "put", key: keyOf(family, ...names), value }],
  };
}

function settledIn(family: "delivered" | "failed"): Layout {
  return {
    families: [family],
    entryOf(key, value) {
      const { texts, numbers } = partsOf(key, 1);
      const { endpointId } = fromBinary(DeliverySchema, value);
      return { names: [...texts, endpointId], number: numbers[0] ?? 0n, value };
    },
    operationsOf: ({ names: [session = "", endpointId = ""], number: seq, value }) => [
      { type: "put", key: keyOf(family, session, seq, endpointId), value },
    ],
  };
}
