import { MIMEType } from "node:util";

interface Range {
  readonly type: string;
  readonly subtype: string;
  readonly quality: number;
}

/** Returns the form in which an Accept header takes a picture of a type. A header that takes neither gets the picture. */
export function pictureForm(accept: string | undefined, contentType: string): "picture" | "json" {
  const ranges = parseAccept(accept ?? "");
  return !accepts(ranges, contentType) && accepts(ranges, "application/json") ? "json" : "picture";
}

/** Returns whether the most specific range that matches a type has a weight above 0 (RFC 9110, section 12.5.1). */
function accepts(ranges: readonly Range[], name: string): boolean {
  const [type, subtype] = name.split("/");
  const matching = ranges.map((range) => ({ range, exactness: exactness(range, type, subtype) }));
  const best = Math.max(0, ...matching.map((one) => one.exactness));
  return best > 0 && matching.some(({ range, exactness }) => exactness === best && range.quality > 0);
}

function exactness(range: Range, type: string | undefined, subtype: string | undefined): number {
  if (range.type === "*") return 1;
  if (range.type !== type) return 0;
  if (range.subtype === "*") return 2;
  return range.subtype === subtype ? 3 : 0;
}

function parseAccept(header: string): Range[] {
  // Commas in quoted strings do not separate.
  const parts = header.match(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/g) ?? [];
  return parts.flatMap((part): Range[] => {
    try {
      // Java's URLConnection sends a bare "*".
      const { type, subtype, params } = new MIMEType(part.trim().replace(/^\*(?=\s*(?:;|$))/, "*/*"));
      return [{ type, subtype, quality: parseQuality(params.get("q")) }];
    } catch {
      return [];
    }
  });
}

/** Returns a weight; 1 if it is missing or malformed. */
function parseQuality(text: string | null): number {
  const quality = text === null || text.trim() === "" ? 1 : Number(text);
  return Number.isNaN(quality) ? 1 : quality;
}
