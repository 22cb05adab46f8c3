/** Functions that build and read stanzas (Baileys' binary nodes). */
import { type BinaryNode, getBinaryNodeChild, S_WHATSAPP_NET } from "@whiskeysockets/baileys";

export { getBinaryNodeChild as child, getBinaryNodeChildren as children } from "@whiskeysockets/baileys";
export type { BinaryNode };

type Attributes = Readonly<Record<string, string | number | undefined>>;

/** Creates a stanza. Undefined attributes are omitted. */
export function stanza(tag: string, attributes: Attributes = {}, content?: BinaryNode["content"]): BinaryNode {
  const attrs: Record<string, string> = {};
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) attrs[name] = String(value);
  return content === undefined ? { tag, attrs } : { tag, attrs, content };
}

/** Creates the result that answers an `iq`. */
export function result(iq: BinaryNode, content?: BinaryNode[]): BinaryNode {
  return stanza("iq", { from: iq.attrs.to ?? S_WHATSAPP_NET, type: "result", id: iq.attrs.id, t: unixTime() }, content);
}

/** Creates the error that answers an `iq`. */
export function failure(iq: BinaryNode, code: number, text: string): BinaryNode {
  const attributes = { from: iq.attrs.to ?? S_WHATSAPP_NET, type: "error", id: iq.attrs.id };
  return stanza("iq", attributes, [stanza("error", { code, text })]);
}

/** Returns the child stanzas, if the content is a list of them. */
export function childrenOf(node: BinaryNode | undefined): readonly BinaryNode[] {
  return Array.isArray(node?.content) ? node.content : [];
}

/** Returns the binary content of the child named `tag`; throws if it is missing. */
export function childBytes(node: BinaryNode | undefined, tag: string): Buffer {
  const content = getBinaryNodeChild(node, tag)?.content;
  if (typeof content === "string") return Buffer.from(content);
  if (!(content instanceof Uint8Array)) throw new Error(`stanza lacks <${tag}>`);
  return Buffer.from(content);
}

/** Returns Unix time in seconds, as stanzas carry it. */
export function unixTime(): number {
  return Math.floor(Date.now() / 1000);
}

/** A refused query. The client gets an error with this code and text. */
export class QueryError extends Error {
  readonly code: number;

  constructor(code: number, text: string) {
    super(text);
    this.code = code;
  }
}
