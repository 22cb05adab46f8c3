import { type LinkPreview, linkIn, previewOf } from "../../domain/link-preview.ts";
import type { LinkPreviews } from "../../ports/link-previews.ts";
import type { FileFetcher } from "../../ports/media.ts";
import type { Clock } from "../../ports/system.ts";

/** Time for a page to arrive, while its message waits. */
export const previewLimitMs = 3_000;
/** A page is read until it has told its head, or this much. */
const maxBytes = 256 * 1_024;
const headEnd = /<\/head|<body/i;
/** Pages that are fetched at the same time, at most; further links have no preview. */
const maxFetches = 16;
/** Previews, and pages without one, are remembered for this time. */
const memoryMs = 600_000;
const maxRemembered = 200;

/** Dependencies of previews. */
export interface LinkPreviewsOptions {
  readonly clock: Clock;
  /** Fetches pages through the guard, within `previewLimitMs`. */
  readonly fetcher: Pick<FileFetcher, "fetch">;
}

interface Remembered {
  readonly preview: Promise<LinkPreview | undefined>;
  readonly endsAtMs: number;
}

/** Creates previews from the pages that links lead to. */
export function createLinkPreviews({ clock, fetcher }: LinkPreviewsOptions): LinkPreviews {
  /** By link, the oldest first. */
  const remembered = new Map<string, Remembered>();
  let fetches = 0;

  async function fetchPreview(url: string): Promise<LinkPreview | undefined> {
    fetches += 1;
    try {
      return previewOf(url, await headOf(fetcher, url));
    } catch {
      return undefined;
    } finally {
      fetches -= 1;
    }
  }

  return {
    async of(text) {
      const url = linkIn(text);
      if (url === undefined) return undefined;
      const nowMs = clock.nowMs();
      const known = remembered.get(url);
      if (known && known.endsAtMs > nowMs) return known.preview;
      if (fetches >= maxFetches) return undefined;
      const preview = fetchPreview(url);
      remembered.delete(url);
      remembered.set(url, { preview, endsAtMs: nowMs + memoryMs });
      for (const oldest of remembered.keys()) {
        if (remembered.size <= maxRemembered) break;
        remembered.delete(oldest);
      }
      return preview;
    },
  };
}

/** Returns the beginning of a page, decoded as the page says. */
async function headOf({ fetch }: Pick<FileFetcher, "fetch">, url: string): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of fetch(url, Number.MAX_SAFE_INTEGER, new AbortController().signal)) {
    parts.push(part);
    size += part.length;
    if (size >= maxBytes || headEnd.test(Buffer.from(part).toString("latin1"))) break;
  }
  const bytes = Buffer.concat(parts).subarray(0, maxBytes);
  const charset = /<meta[^>]{0,200}charset\s{0,10}=\s{0,10}["']?([\w-]{2,20})/i.exec(bytes.toString("latin1"))?.[1];
  return decoderOf(charset).decode(bytes);
}

function decoderOf(charset = "utf-8"): TextDecoder {
  try {
    return new TextDecoder(charset);
  } catch {
    return new TextDecoder();
  }
}
