import { randomBytes } from "node:crypto";
import type { MediaType, proto } from "@whiskeysockets/baileys";
import {
  type OutgoingContent_File as File,
  OutgoingContent_File_Kind as Kind,
} from "../../../gen/sessiond/store/v1/store_pb.js";
import type { UploadedFile } from "./media-upload.ts";

/** The types under which WhatsApp stores the kinds of files. */
const types: Readonly<Record<Kind, MediaType>> = {
  [Kind.UNSPECIFIED]: "document",
  [Kind.IMAGE]: "image",
  [Kind.DOCUMENT]: "document",
  [Kind.VOICE]: "audio",
  [Kind.VIDEO]: "video",
  [Kind.VIDEO_NOTE]: "video",
};

export const mediaTypeOf = ({ kind }: File): MediaType => types[kind];

const secretBytes = 32;
const unnamed = "file";

/** Returns the message that shows an uploaded file. */
export function fileMessage(file: File, uploaded: UploadedFile, mentionedJid: readonly string[]): proto.IMessage {
  const { mimetype, caption, seconds, waveform, filename } = file;
  const context = mentionedJid.length > 0 ? { contextInfo: { mentionedJid: [...mentionedJid] } } : {};
  const common = { ...uploaded, mimetype, ...context };
  const captioned = { ...common, ...(caption !== "" && { caption }) };
  const timed = seconds > 0 ? { seconds } : {};
  // As WhatsApp's own clients do, for reports of misuse (Baileys, reporting-utils).
  const messageContextInfo = { messageSecret: randomBytes(secretBytes) };
  switch (file.kind) {
    case Kind.IMAGE:
      return { messageContextInfo, imageMessage: captioned };
    case Kind.VIDEO:
      return { messageContextInfo, videoMessage: { ...captioned, ...timed } };
    case Kind.VIDEO_NOTE:
      return { messageContextInfo, ptvMessage: { ...captioned, ...timed } };
    case Kind.VOICE: {
      const bars = waveform.length > 0 ? { waveform } : {};
      return { messageContextInfo, audioMessage: { ...common, ...timed, ...bars, ptt: true } };
    }
    default: {
      const fileName = filename || unnamed;
      return { messageContextInfo, documentMessage: { ...captioned, fileName, title: fileName } };
    }
  }
}
