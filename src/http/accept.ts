import { MIMEType } from "node:util";

type Range = { type: string; subtype: string; quality: number; order: number };

/**
 * The media type, of those `offered`, that an Accept header prefers: by q-value, then the more exactly named, then the
 * first named, then the first offered (RFC 9110, section 12.5.1). The first offered where it accepts none.
 */
export function preferredType(accept: string | undefined, offered: readonly [string, ...string[]]): string {
  const ranges = parseAccept(accept ?? "*/*");
  const ranked = offered
    .map((name, index) => ({ name, index, ...rank(name, ranges) }))
    .filter(({ quality }) => quality > 0)
    .sort((a, b) => b.quality - a.quality || b.exactness - a.exactness || a.order - b.order || a.index - b.index);
  return ranked[0]?.name ?? offered[0];
}

function rank(name: string, ranges: readonly Range[]): { quality: number; exactness: number; order: number } {
  const [type, subtype] = name.split("/");
  const matching = ranges
    .map((range) => ({ ...range, exactness: exactness(range, type, subtype) }))
    .filter((range) => range.exactness > 0)
    .sort((a, b) => b.exactness - a.exactness || a.order - b.order);
  return matching[0] ?? { quality: 0, exactness: 0, order: 0 };
}

function exactness(range: Range, type: string | undefined, subtype: string | undefined): number {
  if (range.type === "*") return 1;
  if (range.type !== type) return 0;
  if (range.subtype === "*") return 2;
  return range.subtype === subtype ? 3 : 0;
}

function parseAccept(header: string): Range[] {
  // Commas within quotes separate nothing.
  const parts = header.match(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/g) ?? [];
  return parts.flatMap((part, order): Range[] => {
    try {
      const { type, subtype, params } = new MIMEType(part.trim());
      const quality = Number(params.get("q") ?? 1);
      return [{ type, subtype, quality: quality >= 0 && quality <= 1 ? quality : 0, order }];
    } catch {
      return [];
    }
  });
}
