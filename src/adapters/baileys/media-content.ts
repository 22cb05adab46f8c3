import { type MediaType, normalizeMessageContent, proto, toNumber, type WAMessage } from "@whiskeysockets/baileys";

/** The kinds of content with a file, and the types of their keys. */
const types = {
  imageMessage: "image",
  videoMessage: "video",
  ptvMessage: "video",
  audioMessage: "audio",
  documentMessage: "document",
  stickerMessage: "sticker",
} as const satisfies { readonly [Kind in keyof proto.IMessage]?: MediaType };

type Kind = keyof typeof types;
const kinds = Object.keys(types).filter((key): key is Kind => key in types);

/** Fields of the messages with a file. */
type FileFields = Pick<
  proto.Message.IDocumentMessage,
  "url" | "directPath" | "mediaKey" | "fileSha256" | "fileLength" | "mimetype" | "fileName"
>;

/** A file that a message shows. */
export interface ShownFile {
  readonly kind: Kind;
  readonly type: MediaType;
  readonly fields: FileFields;
}

/** Returns the file that a message shows; undefined if it shows none. */
export function fileIn(message: proto.IMessage | null | undefined): ShownFile | undefined {
  const content = normalizeMessageContent(message);
  const kind = kinds.find((key) => content?.[key]);
  const fields = kind && content?.[kind];
  return fields ? { kind, type: types[kind], fields } : undefined;
}

export const mimetypeOf = ({ mimetype }: FileFields): string => mimetype || "application/octet-stream";

export const sizeOf = ({ fileLength }: FileFields): number => toNumber(fileLength ?? 0);

/** Returns a message with no more than its file needs to be fetched: no text, thumbnail or quote. */
export function withFileOnly({ key, message, messageTimestamp }: WAMessage): proto.IWebMessageInfo | undefined {
  const file = fileIn(message);
  if (!file) return undefined;
  const { url, directPath, mediaKey, fileSha256, fileLength, mimetype, fileName } = file.fields;
  const fields = { url, directPath, mediaKey, fileSha256, fileLength, mimetype, ...(fileName && { fileName }) };
  const { remoteJid, fromMe, id, participant } = key;
  return proto.WebMessageInfo.fromObject({
    key: { remoteJid, fromMe, id, participant },
    messageTimestamp,
    message: { [file.kind]: fields },
  });
}
