import { create } from "@bufbuild/protobuf";
import {
  type AuthenticationCreds,
  type BinaryNode,
  getBinaryNodeChild,
  getBinaryNodeChildren,
  type WAMessage,
} from "@whiskeysockets/baileys";
import { type Me, MeSchema } from "../../../gen/sessiond/v1/session_pb.js";
import { chatId } from "../engine/chat-id.ts";
import type { Report } from "../engine/message-report.ts";
import { messagePayload } from "./message.ts";
import { changeIn } from "./message-change.ts";

/** Returns the account in creds, if there is one. */
export const meOf = (creds: AuthenticationCreds): Me | undefined =>
  creds.me &&
  create(MeSchema, {
    id: chatId(creds.me.id),
    pushName: creds.me.name ?? "",
    jid: creds.me.id,
    ...(creds.me.lid && { lid: chatId(creds.me.lid) }),
  });

/** Counts the codes that a `pair-device` stanza allows to show. */
export const refsIn = (stanza: BinaryNode): number =>
  getBinaryNodeChildren(getBinaryNodeChild(stanza, "pair-device"), "ref").length;

/** Returns the user's messages, and changes of messages, among those that came in. */
export function reportsIn(messages: readonly WAMessage[], { me }: AuthenticationCreds): Report[] {
  if (!me) return [];
  return messages.flatMap((raw) => {
    const message = messagePayload(raw, me);
    return message ? { kind: "message", message, targetId: "" } : (changeIn(raw, me) ?? []);
  });
}
