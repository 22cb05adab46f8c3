/** Where a text stops being JSON, and what should have been there. `offset` counts UTF-16 units from 0. */
export interface JsonSyntaxError {
  readonly expected: string;
  readonly offset: number;
}

type Step = "value" | "first item" | "first key" | "key" | "colon" | "after value";

const whitespace = /[ \t\n\r]*/y;
const numberOrWord = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const escapeSequence = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

/**
 * Finds the first error in a text that JSON.parse refuses; undefined if there is none. JSON.parse does not always tell
 * the place, and quotes the text, which may hold secrets.
 */
export function findJsonSyntaxError(text: string): JsonSyntaxError | undefined {
  const open: ("{" | "[")[] = [];
  let step = "value" as Step;
  let offset = 0;

  const skip = (pattern: RegExp): boolean => {
    pattern.lastIndex = offset;
    if (!pattern.test(text)) return false;
    offset = pattern.lastIndex;
    return true;
  };

  /** Goes past a string; says what is missing where it has an error. */
  function skipString(): string | undefined {
    offset += 1;
    for (;;) {
      const char = text[offset];
      if (char === undefined) return "the quote that ends the string";
      if (char === '"') break;
      if (char < " ") return "an escape instead of a control character";
      if (char !== "\\") offset += 1;
      else if (!skip(escapeSequence)) return "a valid escape";
    }
    offset += 1;
    return undefined;
  }

  function skipValue(): string | undefined {
    const char = text[offset];
    if (char === '"') {
      step = "after value";
      return skipString();
    }
    if (char === "{" || char === "[") {
      open.push(char);
      offset += 1;
      step = char === "{" ? "first key" : "first item";
      return undefined;
    }
    step = "after value";
    return skip(numberOrWord) ? undefined : "a value";
  }

  function close(): undefined {
    open.pop();
    offset += 1;
    step = "after value";
  }

  function skipAfterValue(): string | undefined {
    const char = text[offset];
    const top = open.at(-1);
    if (top === undefined) return "the end";
    if (char === (top === "{" ? "}" : "]")) return close();
    if (char !== ",") return top === "{" ? '"," or "}"' : '"," or "]"';
    offset += 1;
    step = top === "{" ? "key" : "value";
    return undefined;
  }

  const steps: Record<Step, () => string | undefined> = {
    value: skipValue,
    "first item": () => (text[offset] === "]" ? close() : skipValue()),
    "first key": () => (text[offset] === "}" ? close() : steps.key()),
    key: () => {
      if (text[offset] !== '"') return "a property name in double quotes";
      step = "colon";
      return skipString();
    },
    colon: () => {
      if (text[offset] !== ":") return '":"';
      offset += 1;
      step = "value";
      return undefined;
    },
    "after value": skipAfterValue,
  };

  for (;;) {
    skip(whitespace);
    if (offset === text.length && open.length === 0 && step === "after value") return undefined;
    const expected = steps[step]();
    if (expected !== undefined) return { expected, offset };
  }
}

/** The error as a sentence with line and column, both from 1. */
export function describeJsonSyntaxError(text: string, { expected, offset }: JsonSyntaxError): string {
  const before = text.slice(0, offset);
  const line = before.split("\n").length;
  const column = offset - before.lastIndexOf("\n");
  const found = offset >= text.length ? ", but the text ends there" : "";
  return `expected ${expected} at line ${line}, column ${column} (position ${offset})${found}`;
}
