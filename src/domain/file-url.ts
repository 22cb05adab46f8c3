import type { MessagePayload_Media as Media, MessagePayload } from "../../gen/sessiond/v1/event_pb.js";
import { isPersonId } from "./chat-address.ts";
import { essenceOf } from "./file-content.ts";

/** Extensions of media types that have another subtype. */
const extensions: Readonly<Record<string, string>> = {
  "image/jpeg": "jpeg",
  "image/svg+xml": "svg",
  "audio/mpeg": "mp3",
  "audio/mp4": "m4a",
  "video/quicktime": "mov",
  "text/plain": "txt",
  "application/octet-stream": "bin",
  "application/msword": "doc",
  "application/vnd.ms-excel": "xls",
  "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
  "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
};

const extensionForm = /^[a-z0-9]{1,10}$/;

/** Returns the extension for a file, by its name or else by its type. */
function extensionOf({ mimetype, filename }: Pick<Media, "mimetype" | "filename">): string {
  const named = /\.([^.]+)$/.exec(filename)?.[1]?.toLowerCase() ?? "";
  if (extensionForm.test(named)) return named;
  const essence = essenceOf(mimetype);
  const known = Object.hasOwn(extensions, essence) ? extensions[essence] : undefined;
  const subtype = essence.split("/")[1] ?? "";
  return known ?? (extensionForm.test(subtype) ? subtype : "bin");
}

/** Returns the path under which REST serves the file of a message, which events name by `id`. */
export const filePath = (session: string, id: string, media: Pick<Media, "mimetype" | "filename">): string =>
  `/api/files/${encodeURIComponent(session)}/${encodeURIComponent(id).replaceAll("%40", "@")}.${extensionOf(media)}`;

/** Returns the id of the message whose file has this name: the name without its extension. */
export const messageIdOf = (file: string): string => file.replace(/\.[A-Za-z0-9]{1,10}$/, "");

/** Returns the id by which events show the message that another one replies to; undefined if it replies to none. */
export function quotedIdOf({ fromMe, from, to, replyTo }: MessagePayload): string | undefined {
  if (!replyTo) return undefined;
  const [chat, me] = fromMe ? [to, from] : [from, to];
  const author = isPersonId(chat) ? [] : [replyTo.participant];
  return [replyTo.participant === me, chat, replyTo.id, ...author].join("_");
}
