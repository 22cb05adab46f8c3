import type { LinkPreview } from "../domain/link-preview.ts";

/** Finds out what links in texts lead to. */
export interface LinkPreviews {
  /** Returns the preview of the first link in a text; undefined if it has none, or if its page cannot be had soon. Never rejects. */
  of(text: string): Promise<LinkPreview | undefined>;
}
