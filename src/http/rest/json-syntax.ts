/** First position at which a text is not JSON, and the token expected there. `offset` counts UTF-16 units from 0. */
export interface JsonSyntaxError {
  readonly expected: string;
  readonly offset: number;
}

type Step = "value" | "first item" | "first key" | "key" | "colon" | "after value";

const whitespace = /[ \t\n\r]*/y;
const numberOrWord = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const escapeSequence = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

/**
 * Finds the first error in a text that JSON.parse rejects; undefined if there is none. JSON.parse does not always report a position,
 * and its message quotes the text, which may hold secrets.
 */
export function findJsonSyntaxError(text: string): JsonSyntaxError | undefined {
  return new Scanner(text).findError();
}

/** Scans a JSON text token by token. Each skip method returns the expected token at an error, and undefined otherwise. */
class Scanner {
  readonly #text: string;
  readonly #open: ("{" | "[")[] = [];
  #step: Step = "value";
  #offset = 0;

  constructor(text: string) {
    this.#text = text;
  }

  findError(): JsonSyntaxError | undefined {
    for (;;) {
      this.#skip(whitespace);
      if (this.#offset === this.#text.length && this.#open.length === 0 && this.#step === "after value")
        return undefined;
      const expected = this.#skipToken();
      if (expected !== undefined) return { expected, offset: this.#offset };
    }
  }

  get #char(): string | undefined {
    return this.#text[this.#offset];
  }

  #skip(pattern: RegExp): boolean {
    pattern.lastIndex = this.#offset;
    if (!pattern.test(this.#text)) return false;
    this.#offset = pattern.lastIndex;
    return true;
  }

  #skipToken(): string | undefined {
    switch (this.#step) {
      case "value":
        return this.#skipValue();
      case "first item":
        return this.#char === "]" ? this.#close() : this.#skipValue();
      case "first key":
        return this.#char === "}" ? this.#close() : this.#skipKey();
      case "key":
        return this.#skipKey();
      case "colon":
        return this.#skipColon();
      case "after value":
        return this.#skipAfterValue();
    }
  }

  #skipString(): string | undefined {
    this.#offset += 1;
    for (;;) {
      const char = this.#char;
      if (char === undefined) return "the quote that ends the string";
      if (char === '"') break;
      if (char < " ") return "an escape instead of a control character";
      if (char !== "\\") this.#offset += 1;
      else if (!this.#skip(escapeSequence)) return "a valid escape";
    }
    this.#offset += 1;
    return undefined;
  }

  #skipValue(): string | undefined {
    const char = this.#char;
    if (char === '"') {
      this.#step = "after value";
      return this.#skipString();
    }
    if (char === "{" || char === "[") {
      this.#open.push(char);
      this.#offset += 1;
      this.#step = char === "{" ? "first key" : "first item";
      return undefined;
    }
    this.#step = "after value";
    return this.#skip(numberOrWord) ? undefined : "a value";
  }

  #skipKey(): string | undefined {
    if (this.#char !== '"') return "a property name in double quotes";
    this.#step = "colon";
    return this.#skipString();
  }

  #skipColon(): string | undefined {
    if (this.#char !== ":") return '":"';
    this.#offset += 1;
    this.#step = "value";
    return undefined;
  }

  #close(): undefined {
    this.#open.pop();
    this.#offset += 1;
    this.#step = "after value";
  }

  #skipAfterValue(): string | undefined {
    const char = this.#char;
    const top = this.#open.at(-1);
    if (top === undefined) return "the end";
    if (char === (top === "{" ? "}" : "]")) return this.#close();
    if (char !== ",") return top === "{" ? '"," or "}"' : '"," or "]"';
    this.#offset += 1;
    this.#step = top === "{" ? "key" : "value";
    return undefined;
  }
}

/** Describes an error with its line and column, both counted from 1. */
export function describeJsonSyntaxError(text: string, { expected, offset }: JsonSyntaxError): string {
  const before = text.slice(0, offset);
  const line = before.split("\n").length;
  const column = offset - before.lastIndexOf("\n");
  const found = offset >= text.length ? ", but the text ends there" : "";
  return `expected ${expected} at line ${line}, column ${column} (position ${offset})${found}`;
}
