import { createHash, randomBytes } from "node:crypto";
import type { EventOperation, Operation } from "./operation.ts";
import { toStoredText } from "./text.ts";
import type { Values } from "./values.ts";

/** A group as commit_v1 takes it. */
export interface EncodedGroup {
  /** Rows by kind of change. */
  readonly changes: string;
  /** The values, one after another. */
  readonly bytes: Uint8Array;
}

type Row = Readonly<Record<string, string | number | boolean | null>>;

/** Encodes operations, sealing their values. Of several changes of one row, the last one counts. */
export function encodeGroup(operations: readonly Operation[], values: Values): EncodedGroup {
  const encoder = new Encoder(values);
  for (const operation of operations) encoder.add(operation);
  return encoder.finish();
}

class Encoder {
  readonly #values: Values;
  readonly #bytes: Uint8Array[] = [];
  #length = 0;
  #events = 0;
  readonly #removed: string[] = [];
  readonly #wiped: string[] = [];
  readonly #rows = new Map<string, Map<string, Row>>();

  constructor(values: Values) {
    this.#values = values;
  }

  add(operation: Operation): void {
    const values = this.#values;
    switch (operation.type) {
      case "event":
        this.#addEvent(operation);
        return;
      case "lease":
        this.#put("leases", [operation.session], { epoch: String(operation.epoch) }, ["session"]);
        return;
      case "need": {
        const { session, needsOwner: needs, weight, isBound: bound } = operation;
        this.#put("needs", [session], { needs, weight, bound }, ["session"]);
        return;
      }
      case "remove":
        this.#removed.push(toStoredText(operation.session));
        return;
      case "wipe":
        this.#wiped.push(toStoredText(operation.session));
        return;
      case "record": {
        const { session, value, creationKey } = operation;
        const creation = creationKey === undefined ? null : digestOf(creationKey);
        const part = this.#part(values.seal(value, "session", session));
        this.#put("records", [session], { rev: randomRev(), creation, ...part }, ["session"]);
        return;
      }
      case "messages": {
        const { session, value } = operation;
        this.#put("messages", [session], this.#part(values.seal(value, "messages", session)), ["session"]);
        return;
      }
      case "endpoint": {
        const { session, id, value } = operation;
        const part = this.#part(value && values.seal(value, "endpoint", session, id));
        this.#put("endpoints", [session, id], part, ["session", "id"]);
        return;
      }
      case "credentials":
      case "chats": {
        const { type, session, key, value } = operation;
        const table = type === "credentials" ? "credential" : "chat";
        const part = this.#part(value && values.seal(value, table, session, key));
        this.#put(type, [session, key], part, ["session", "key"]);
        return;
      }
      case "unlink": {
        const { id, value } = operation;
        this.#put("unlinks", [id], this.#part(value && values.seal(value, "pending_unlink", id)), ["id"]);
        return;
      }
      case "outgoing":
        this.#addOutgoing(operation);
        return;
      case "consumer":
        this.#put("consumers", [operation.name], { cursor: String(operation.cursor) }, ["name"]);
        return;
      default:
        this.#addDelivery(operation);
    }
  }

  finish(): EncodedGroup {
    const changes = {
      ...(this.#removed.length > 0 && { removed: this.#removed }),
      ...(this.#wiped.length > 0 && { wiped: this.#wiped }),
      ...Object.fromEntries(Array.from(this.#rows, ([kind, rows]) => [kind, [...rows.values()]])),
    };
    return { changes: JSON.stringify(changes), bytes: Buffer.concat(this.#bytes) };
  }

  #addEvent(operation: EventOperation): void {
    const { session, id, wallMs, value, endpoints } = operation;
    this.#events += 1;
    const n = this.#events;
    operation.stored = this.#values.seal(value, "event", session, id);
    const part = this.#part(operation.stored);
    this.#append("events", { n, session: toStoredText(session), id: toStoredText(id), time: wallMs, ...part });
    for (const endpoint of endpoints) this.#append("deliveries", { n, endpoint: toStoredText(endpoint) });
  }

  #addOutgoing(operation: Operation & { type: "outgoing" }): void {
    const { session, place, id, keyHash, state, isUnsent, wallMs, value } = operation;
    const part = this.#part(this.#values.seal(value, "outgoing", session, place));
    const hash = keyHash.length > 0 ? Buffer.from(keyHash).toString("hex") : null;
    const row = { id: toStoredText(id), key_hash: hash, state, is_unsent: isUnsent, time: wallMs, ...part };
    this.#put("outgoing", [session, String(place)], row, ["session", "place"]);
  }

  #addDelivery(operation: Operation & { type: "retry" | "settle" | "resend" }): void {
    const values = this.#values;
    const { session, seq, endpoint } = operation;
    const place = [session, seq, endpoint] as const;
    const key = { session: toStoredText(session), seq: String(seq), endpoint: toStoredText(endpoint) };
    switch (operation.type) {
      case "retry": {
        const part = this.#part(values.seal(operation.value, "delivery", ...place));
        this.#append("retries", { ...key, due: operation.dueMs, ...part });
        return;
      }
      case "settle": {
        const { isDelivered: delivered, wallMs: time, value } = operation;
        const part = this.#part(value && values.seal(value, "settled", ...place));
        this.#append("ended", { ...key, delivered, time, ...part });
        return;
      }
      case "resend": {
        const { dueMs: due, eventId, event, value } = operation;
        const sealed = this.#part(values.seal(event, "event", session, eventId));
        const part = this.#part(values.seal(value, "delivery", ...place));
        const origin = { event_id: toStoredText(eventId), event_at: sealed.at, event_len: sealed.len };
        this.#append("resent", { ...key, due, ...origin, ...part });
        return;
      }
    }
  }

  /** Places a value among the bytes. Null has no length. */
  #part(value: Uint8Array | null): { at: number; len: number | null } {
    const at = this.#length + 1;
    if (!value) return { at, len: null };
    this.#bytes.push(value);
    this.#length += value.byteLength;
    return { at, len: value.byteLength };
  }

  #put(kind: string, key: readonly string[], row: Row, names: readonly string[]): void {
    const stored = key.map(toStoredText);
    const named = Object.fromEntries(names.map((name, index) => [name, stored[index] ?? ""]));
    this.#kind(kind).set(JSON.stringify(stored), { ...named, ...row });
  }

  #append(kind: string, row: Row): void {
    const rows = this.#kind(kind);
    rows.set(String(rows.size), row);
  }

  #kind(kind: string): Map<string, Row> {
    const known = this.#rows.get(kind);
    if (known) return known;
    const rows = new Map<string, Row>();
    this.#rows.set(kind, rows);
    return rows;
  }
}

/** Returns a number that no other write of a record has. */
const randomRev = (): string => String(randomBytes(8).readBigInt64BE());

/** Keys may be guessed from a digest, but not read. */
export const digestOf = (creationKey: string): string => createHash("sha256").update(creationKey).digest("hex");
