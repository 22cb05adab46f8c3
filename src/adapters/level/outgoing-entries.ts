import { toBinary } from "@bufbuild/protobuf";
import { type OutgoingMessage, OutgoingMessageSchema } from "../../../gen/sessiond/store/v1/store_pb.js";
import { isUnsent } from "../../domain/outgoing.ts";
import type { Database, Operation } from "./store/database.ts";
import { keyOf, numberBytes, rangeOf } from "./store/key.ts";

const noBytes = new Uint8Array();

/** Returns the part of a key for the hash of an idempotency key. */
export const hashPart = (keyHash: Uint8Array): string => Buffer.from(keyHash).toString("hex");

/** Returns the operations that add a message with its indexes. */
export function outgoingAdditions(session: string, message: OutgoingMessage): Operation[] {
  const value = numberBytes(message.place);
  const additions = outgoingWrites(session, message);
  additions.push({ type: "put", key: keyOf("outgoingId", session, message.id), value });
  if (message.keyHash.length > 0) {
    additions.push({ type: "put", key: keyOf("outgoingKey", session, hashPart(message.keyHash)), value });
  }
  return additions;
}

/** Returns the operations that remove all outgoing messages of a session. */
export async function outgoingRemovals(database: Database, session: string): Promise<Operation[]> {
  const operations: Operation[] = [];
  for (const family of ["outgoing", "outgoingId", "outgoingKey", "outgoingUnsent"] as const) {
    for await (const key of database.keys(rangeOf(family, session))) operations.push({ type: "del", key });
  }
  return operations;
}

/** Returns the operations that write a message, whose indexes are there already. */
export function outgoingWrites(session: string, message: OutgoingMessage): Operation[] {
  const { place, state } = message;
  const unsent = keyOf("outgoingUnsent", session, place);
  return [
    { type: "put", key: keyOf("outgoing", session, place), value: toBinary(OutgoingMessageSchema, message) },
    isUnsent(state) ? { type: "put", key: unsent, value: noBytes } : { type: "del", key: unsent },
  ];
}

/** Returns the operations that remove a finished message with its indexes. */
export function outgoingRemoval(session: string, { place, id, keyHash }: OutgoingMessage): Operation[] {
  const keys = [keyOf("outgoing", session, place), keyOf("outgoingId", session, id)];
  if (keyHash.length > 0) keys.push(keyOf("outgoingKey", session, hashPart(keyHash)));
  return keys.map((key) => ({ type: "del", key }));
}
