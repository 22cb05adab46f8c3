import type { AnyDesc, DescFile } from "@bufbuild/protobuf";

/** Returns the text of a definition's comment in its proto file, as Markdown. */
export type CommentReader = (desc: Exclude<AnyDesc, DescFile>) => string;

/**
 * Returns a leading comment as Markdown with one line for each paragraph. Fields in backticks get their JSON names:
 * `status_reason` becomes `statusReason`.
 */
export function commentText(leading: string): string {
  return leading
    .split("\n")
    .map((line) => line.trim())
    .join("\n")
    .trim()
    .replace(/(?<!\n)\n(?!\n)/g, " ")
    .replace(/`([a-z]+(?:_[a-z]+)+)`/g, (_, name: string) => `\`${camelCase(name)}\``);
}

/** Returns the first sentence of a text, without its full stop and without Markdown. Quoted text does not end a sentence. */
export function summaryOf(text: string): string {
  const [first = ""] = /^(?:"[^"]*"|[\s\S])+?(?:[.!?](?=\s+["`A-Z])|$)/.exec(text) ?? [];
  return first.replace(/\.$/, "").replaceAll("`", "");
}

function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
