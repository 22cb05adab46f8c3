/** Preview of a link, as phones show it below a text. */
export interface LinkPreview {
  /** The link as it stands in the text. */
  readonly url: string;
  readonly title: string;
  readonly description: string;
}

const linkForm = /https?:\/\/[^\s<>"]{1,2000}/i;
/** Punctuation at the end of a link belongs to the sentence around it. */
const trailing = /[.,;:!?)\]}'’”»…]+$/u;

/** Returns the first link in a text that can be shown to others; undefined if there is none. */
export function linkIn(text: string): string | undefined {
  const link = linkForm.exec(text)?.[0].replace(trailing, "");
  const url = link === undefined ? null : URL.parse(link);
  // A login in a link is not sent anywhere.
  return url && url.username === "" && url.password === "" ? link : undefined;
}

const tagForm = /<(meta|title)\b([^>]{0,4000})>/gi;
const attributeForm = /([a-z:-]{1,50})\s{0,10}=\s{0,10}(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))/gi;
const titleEnd = /<\/title/i;
const maxTitle = 200;
const maxDescription = 400;

/** Returns the preview of a link by the beginning of its page (Open Graph protocol, else the page's own title); undefined without a title. */
export function previewOf(url: string, page: string): LinkPreview | undefined {
  const found = new Map<string, string>();
  for (const tag of page.matchAll(tagForm)) {
    const [whole, name = "", attributes = ""] = tag;
    if (name.toLowerCase() === "title") {
      const rest = page.slice(tag.index + whole.length, tag.index + whole.length + 4_000);
      const end = rest.search(titleEnd);
      if (end >= 0 && !found.has("title")) found.set("title", rest.slice(0, end));
      continue;
    }
    const values = attributesOf(attributes);
    const property = (values.get("property") ?? values.get("name") ?? "").toLowerCase();
    const content = values.get("content");
    if (content !== undefined && !found.has(property)) found.set(property, content);
  }
  const first = (limit: number, ...names: string[]) =>
    names.map((name) => readable(found.get(name) ?? "", limit)).find((text) => text !== "") ?? "";
  const title = first(maxTitle, "og:title", "twitter:title", "title");
  const description = first(maxDescription, "og:description", "twitter:description", "description");
  return title === "" ? undefined : { url, title, description };
}

function attributesOf(text: string): Map<string, string> {
  const attributes = new Map<string, string>();
  for (const [, name = "", double, single, bare] of text.matchAll(attributeForm)) {
    attributes.set(name.toLowerCase(), double ?? single ?? bare ?? "");
  }
  return attributes;
}

/** Named character references that titles have; others stay as they are. */
const references: Readonly<Record<string, string>> = {
  ...{ amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: " ", hellip: "…", ndash: "–", mdash: "—" },
  ...{ laquo: "«", raquo: "»", lsquo: "‘", rsquo: "’", ldquo: "“", rdquo: "”", middot: "·", bull: "•" },
};

/** Returns HTML's text without references, control characters and surplus space, cut after `limit` characters. */
function readable(html: string, limit: number): string {
  const text = html
    .replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|([a-z]{2,6}));/gi, (whole, decimal, hex, name) => {
      if (name !== undefined) return Object.hasOwn(references, name) ? (references[name] ?? whole) : whole;
      const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
      return code <= 0x10_ff_ff ? String.fromCodePoint(code) : whole;
    })
    .replace(/[\s\p{C}]+/gu, " ")
    .trim();
  const characters = [...text];
  return characters.length <= limit ? text : `${characters.slice(0, limit - 1).join("")}…`;
}
