import type { JsonObject } from "../../http/openapi/operations.ts";
import type { DocumentedRequest } from "./documented-client.ts";

const chatId = "12132132130@c.us";
const fileOf = (mimetype: string) => ({ mimetype, data: "aGVsbG8=" });

/** Valid requests of calls that send, without their session. */
const messages: Readonly<Record<string, Pick<DocumentedRequest, "query"> & { readonly body?: JsonObject }>> = {
  sendText: { body: { chatId, text: "hello" } },
  sendText2: { query: { chatId, text: "hello" } },
  replyDeprecated: { body: { chatId, text: "hello" } },
  sendImage: { body: { chatId, file: fileOf("image/png") } },
  sendFile: { body: { chatId, file: fileOf("text/plain") } },
  sendVoice: { body: { chatId, file: fileOf("audio/ogg; codecs=opus") } },
  sendVideo: { body: { chatId, file: fileOf("video/mp4") } },
  setReaction: { body: { messageId: `false_${chatId}_AAAA`, reaction: "👍" } },
  sendSeen: { body: { chatId } },
  startTyping: { body: { chatId } },
  stopTyping: { body: { chatId } },
  checkNumber: { query: { phone: "12132132130" } },
  checkNumber2: { query: { phone: "12132132130" } },
};

/** Operation ids of the calls that send. */
export const messageCalls = Object.keys(messages);

/** Returns the request of a call that sends, in a session; undefined for other calls. */
export function messageFrom(session: string, id: string, changed: JsonObject = {}): DocumentedRequest | undefined {
  const { body, query } = messages[id] ?? {};
  if (body) return { body: { ...body, session, ...changed } };
  return query && { query: { ...query, session } };
}
