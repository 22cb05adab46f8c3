import { create } from "@bufbuild/protobuf";
import {
  type AuthenticationCreds,
  type BinaryNode,
  getBinaryNodeChild,
  getBinaryNodeChildren,
  type WAMessage,
} from "@whiskeysockets/baileys";
import type { MessagePayload } from "../../../gen/sessiond/v1/event_pb.js";
import { type Me, MeSchema } from "../../../gen/sessiond/v1/session_pb.js";
import type { EngineEvent } from "../../ports/engine.ts";
import { chatId } from "../engine/chat-id.ts";
import { messagePayload } from "./message.ts";

/** How long QR codes live if `qrTimeout` is not set: the first, and each further one (Baileys, lib/Socket/socket.js). */
const firstQrMs = 60_000;
const nextQrMs = 20_000;

/** The account in creds, if there is one. */
export const meOf = (creds: AuthenticationCreds): Me | undefined =>
  creds.me && create(MeSchema, { id: chatId(creds.me.id), pushName: creds.me.name ?? "" });

/** Whether two say the same. */
export const isSameMe = (a: Me | undefined, b: Me | undefined): boolean =>
  a?.id === b?.id && a?.pushName === b?.pushName;

/** How many codes a `pair-device` stanza is good for. */
export const refsIn = (stanza: BinaryNode): number =>
  getBinaryNodeChildren(getBinaryNodeChild(stanza, "pair-device"), "ref").length;

/** One of the codes a phone can scan. */
export interface Qr {
  readonly value: string;
  /** From 1. */
  readonly serial: number;
  /** How many codes there are in all. */
  readonly refs: number;
  readonly issuedAtMs: number;
  /** How long each code lives, if they are all to live equally long. */
  readonly qrTimeoutMs: number | undefined;
}

/** The event for a code that is shown now. */
export function qrEvent({ value, serial, refs, issuedAtMs, qrTimeoutMs }: Qr): EngineEvent {
  const lifeMs = qrTimeoutMs ?? (serial === 1 ? firstQrMs : nextQrMs);
  const expiresAtMs = issuedAtMs + lifeMs;
  return { type: "qr", value, serial, remaining: Math.max(refs - serial, 0), issuedAtMs, expiresAtMs };
}

/** What users see of messages that came in; those sent by this connection itself are not among them. */
export function messagesIn(messages: readonly WAMessage[], { me }: AuthenticationCreds): MessagePayload[] {
  return me ? messages.flatMap((raw) => messagePayload(raw, me) ?? []) : [];
}
