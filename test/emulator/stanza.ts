/** Building and reading stanzas (Baileys' binary nodes). */
import { type BinaryNode, getBinaryNodeChild, S_WHATSAPP_NET } from "@whiskeysockets/baileys";

export { getBinaryNodeChild as child, getBinaryNodeChildren as children } from "@whiskeysockets/baileys";
export type { BinaryNode };

type Attributes = Readonly<Record<string, string | number | undefined>>;

/** A stanza; attributes that are undefined are left out. */
export function stanza(tag: string, attributes: Attributes = {}, content?: BinaryNode["content"]): BinaryNode {
  const attrs: Record<string, string> = {};
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) attrs[name] = String(value);
  return content === undefined ? { tag, attrs } : { tag, attrs, content };
}

/** The result answering an `iq`. */
export function result(iq: BinaryNode, content?: BinaryNode[]): BinaryNode {
  return stanza("iq", { from: iq.attrs.to ?? S_WHATSAPP_NET, type: "result", id: iq.attrs.id, t: unixTime() }, content);
}

/** The error answering an `iq`. */
export function failure(iq: BinaryNode, code: number, text: string): BinaryNode {
  const attributes = { from: iq.attrs.to ?? S_WHATSAPP_NET, type: "error", id: iq.attrs.id };
  return stanza("iq", attributes, [stanza("error", { code, text })]);
}

/** The child stanzas, when the content is a list of them. */
export function childrenOf(node: BinaryNode | undefined): readonly BinaryNode[] {
  return Array.isArray(node?.content) ? node.content : [];
}

/** The binary content of the child named `tag`; throws when there is none. */
export function childBytes(node: BinaryNode | undefined, tag: string): Buffer {
  const content = getBinaryNodeChild(node, tag)?.content;
  if (typeof content === "string") return Buffer.from(content);
  if (!(content instanceof Uint8Array)) throw new Error(`stanza lacks <${tag}>`);
  return Buffer.from(content);
}

/** Seconds since 1970, as stanzas carry them. */
export function unixTime(): number {
  return Math.floor(Date.now() / 1000);
}

/** A query the server refuses; the client gets an error with this code and text. */
export class QueryError extends Error {
  readonly code: number;

  constructor(code: number, text: string) {
    super(text);
    this.code = code;
  }
}
