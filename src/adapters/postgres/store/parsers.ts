// Object ids of the types that statements return, beside texts.
const parsers: Readonly<Record<number, (text: string) => unknown>> = {
  16: (text) => text === "t",
  17: (text) => Buffer.from(text.slice("\\x".length), "hex"),
  20: BigInt,
  23: Number,
};

const asText = (text: string): unknown => text;

/** Returns the parser of a type's text format: bytea as bytes, bigint as a BigInt. */
export const parserOf = (oid: number): ((text: string) => unknown) => parsers[oid] ?? asText;
