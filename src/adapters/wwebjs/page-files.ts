/**
 * Functions that fetch the files of messages, and run in WhatsApp Web's page. As those in page-script.ts, each may use only its arguments
 * and the page's `window`. A file is fetched and decrypted by the page as a whole, and leaves it in parts.
 */

interface FileMessage {
  readonly type: string;
  readonly mediaKey?: unknown;
  readonly mediaKeyTimestamp?: unknown;
  readonly directPath?: string;
  readonly encFilehash?: string;
  readonly filehash?: string;
  readonly mimetype?: string;
  readonly filename?: string;
  readonly size?: number;
  /** Send time (Unix s). */
  readonly t?: number;
  readonly mediaData?: { readonly mediaStage?: string };
  downloadMedia?(options: object): Promise<unknown>;
}

interface Modules {
  WAWebCollections: {
    Msg: {
      get(key: string): FileMessage | undefined;
      getMessagesById?(keys: readonly string[]): Promise<{ readonly messages?: readonly FileMessage[] } | undefined>;
    };
  };
  WAWebDownloadManager: { downloadManager: { downloadAndMaybeDecrypt(file: object): Promise<ArrayBuffer> } };
}

declare const window: {
  require<Name extends keyof Modules>(name: Name): Modules[Name];
  /** Files that are being read, by the reader's id. */
  sessiondDownloads?: Map<string, Uint8Array>;
};

/** The file of a message in the page. */
export interface PageFileInfo {
  readonly mimetype: string;
  readonly filename: string;
  readonly size: number;
  /** Send time of the message (Unix s). */
  readonly t: number;
}

/** Returns the file of a message; undefined if it has none. */
export async function describeFile(key: string): Promise<PageFileInfo | undefined> {
  const { Msg } = window.require("WAWebCollections");
  const message = Msg.get(key) ?? (await Msg.getMessagesById?.([key]))?.messages?.[0];
  if (!message?.mediaKey || !message.directPath) return undefined;
  const { mimetype = "", filename = "", size = 0, t = 0 } = message;
  return { mimetype, filename, size, t };
}

/**
 * Has the page fetch a message's file for a reader. Returns its size, or the reason why there is none: WhatsApp no longer has it, or it
 * cannot be had now.
 */
export async function openFile({ key, id }: { key: string; id: string }): Promise<number | "gone" | "unavailable"> {
  const { Msg } = window.require("WAWebCollections");
  const message = Msg.get(key) ?? (await Msg.getMessagesById?.([key]))?.messages?.[0];
  if (!message) return "gone";
  const stage = () => message.mediaData?.mediaStage ?? "";
  if (stage() === "REUPLOADING") return "unavailable";
  // The page asks the phone for a file that WhatsApp has removed.
  if (stage() !== "RESOLVED") await message.downloadMedia?.({ downloadEvenIfExpensive: true, rmrReason: 1 });
  if (stage() === "ERROR_MISSING") return "gone";
  if (stage() === "FETCHING" || stage().includes("ERROR")) return "unavailable";
  const { type, directPath, encFilehash, filehash, mediaKey, mediaKeyTimestamp } = message;
  const downloadQpl = { addAnnotations: () => downloadQpl, addPoint: () => downloadQpl };
  const { signal } = new AbortController();
  const place = { type, directPath, encFilehash, filehash, mediaKey, mediaKeyTimestamp };
  try {
    const { downloadManager } = window.require("WAWebDownloadManager");
    const content = new Uint8Array(await downloadManager.downloadAndMaybeDecrypt({ ...place, signal, downloadQpl }));
    window.sessiondDownloads ??= new Map();
    window.sessiondDownloads.set(id, content);
    return content.length;
  } catch (error) {
    const status = typeof error === "object" && error !== null && "status" in error ? error.status : undefined;
    return status === 404 || status === 410 ? "gone" : "unavailable";
  }
}

/** Returns bytes of an open file as base64; undefined if the page has it no more. */
export function readFile({ id, at, length }: { id: string; at: number; length: number }): string | undefined {
  const content = window.sessiondDownloads?.get(id)?.subarray(at, at + length);
  if (!content) return undefined;
  const step = 0x8000;
  let text = "";
  for (let from = 0; from < content.length; from += step) {
    text += String.fromCharCode(...content.subarray(from, from + step));
  }
  return btoa(text);
}

/** Forgets a file. */
export function closeFile(id: string): void {
  window.sessiondDownloads?.delete(id);
}
