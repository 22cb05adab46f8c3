/** Places that publish the version of WhatsApp's client. */
export type VersionSource = "auto-web" | "auto-baileys";

/** Addresses of WhatsApp Web's service worker and of Baileys' default. Baileys looks at both (its lib/Utils/generics.js). */
export const versionUrls: Readonly<Record<VersionSource, string>> = {
  "auto-web": "https://web.whatsapp.com/sw.js",
  "auto-baileys": "https://raw.githubusercontent.com/WhiskeySockets/Baileys/master/src/Defaults/index.ts",
};

/** Headers of a browser that opens the page; to other clients WhatsApp answers 400. */
const headers = {
  "sec-fetch-site": "none",
  "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
};

const timeoutMs = 15_000;
const maxBytes = 8 * 1024 * 1024;
/** Each part is an unsigned 32-bit number in WhatsApp's protocol (ClientPayload.UserAgent.AppVersion). */
const maxPart = 2 ** 32 - 1;

/** Reads the version published at `url`. Rejects if it takes longer than 15 s, or nothing there reads as a version. */
export async function lookUpVersion(url: string, signal: AbortSignal): Promise<string> {
  const response = await fetch(url, { headers, signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]) });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`it was answered with HTTP status ${response.status}`);
  }
  const version = versionIn(await textOf(response));
  if (version === undefined) throw new Error("no version was found in the answer");
  return version;
}

async function textOf({ body }: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    // Throwing cancels the rest of the body.
    if (bytes > maxBytes) throw new Error(`the answer is longer than ${maxBytes} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text;
}

/** Finds the version in the text of either source. WhatsApp Web publishes only the last part of its version. */
function versionIn(text: string): string | undefined {
  const revision = /\\?"client_revision\\?":\s*(\d+)/.exec(text)?.[1];
  const listed = /\bversion = \[(\d+),\s*(\d+),\s*(\d+)\]/.exec(text)?.slice(1);
  const parts = revision === undefined ? listed : ["2", "3000", revision];
  const isValid = parts?.every((part) => Number(part) <= maxPart) && Number(parts.at(-1)) > 0;
  return isValid ? parts?.map(Number).join(".") : undefined;
}
