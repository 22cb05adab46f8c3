/** A variable of the environment has a wrong value. The message names the variable and never repeats a secret. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** A type of values that variables can have. */
export interface Kind<T> {
  /** The accepted values, for the documentation. Empty for any text. */
  readonly accepts: string;
  /** Returns the value of a text that is not blank. Throws ConfigError with the variable's name. */
  parse(text: string, name: string): T;
  /** Returns the text that stands for a value, for the documentation. */
  show(value: T): string;
}

/** Any text, with the blanks around it: they may belong to a password. */
export const text: Kind<string> = { accepts: "", parse: (value) => value, show: (value) => value };

/** Any text, without the blanks around it. */
export const trimmed: Kind<string> = { ...text, parse: (value) => value.trim() };

/** The path of a file or directory. */
export const path: Kind<string> = { ...trimmed, accepts: "path" };

export const flag: Kind<boolean> = {
  accepts: "`true` or `false`",
  show: String,
  parse(value, name) {
    const word = value.trim().toLowerCase();
    if (["true", "1", "yes", "on"].includes(word)) return true;
    if (["false", "0", "no", "off"].includes(word)) return false;
    throw new ConfigError(`${name} must be true or false`);
  },
};

/** A number within limits, both included. */
export const number = (min: number, max: number): Kind<number> => ({
  accepts: `number from ${min} to ${max}`,
  show: String,
  parse(value, name) {
    const result = Number(value.trim());
    if (!(result >= min && result <= max)) throw new ConfigError(`${name} must be a number from ${min} to ${max}`);
    return result;
  },
});

/** A whole number within limits, both included. */
export function wholeNumber(min: number, max: number): Kind<number> {
  const kind = number(min, max);
  return {
    ...kind,
    accepts: `whole ${kind.accepts}`,
    parse(value, name) {
      const result = kind.parse(value, name);
      if (!Number.isInteger(result)) throw new ConfigError(`${name} must be a whole number`);
      return result;
    },
  };
}

/** A duration in another unit than milliseconds. Its value is in milliseconds, and the limits are in its own unit. */
const duration =
  (unitMs: number) =>
  (min: number, max: number): Kind<number> => {
    const kind = number(min, max);
    return {
      ...kind,
      parse: (value, name) => kind.parse(value, name) * unitMs,
      show: (valueMs) => String(valueMs / unitMs),
    };
  };
export const seconds = duration(1_000);
export const days = duration(86_400_000);

/** One of several words, in any case. */
export const oneOf = <T extends string>(...words: readonly T[]): Kind<T> => ({
  accepts: words.map((word) => `\`${word}\``).join(", "),
  show: (word) => word,
  parse(value, name) {
    const found = words.find((word) => word.toLowerCase() === value.trim().toLowerCase());
    if (found === undefined) throw new ConfigError(`${name} must be one of ${words.join(", ")}`);
    return found;
  },
});

/** Items without the blanks around them. Empty items are left out. */
export const list = (separator = ","): Kind<readonly string[]> => ({
  accepts: separator === "," ? "list, separated by commas" : `list, separated by \`${separator}\``,
  show: (items) => items.join(separator),
  parse: (value) => itemsOf(value, separator).filter((item) => item !== ""),
});

/** Returns the items of a list, without the blanks around them. */
export const itemsOf = (value: string, separator: string) => value.split(separator).map((item) => item.trim());

/** A URL with one of these protocols, such as "https:". */
export const url = (...protocols: readonly string[]): Kind<string> => ({
  ...trimmed,
  accepts: protocols.map((protocol) => `\`${protocol}//…\``).join(" or "),
  parse(value, name) {
    if (protocols.includes(URL.parse(value.trim())?.protocol ?? "")) return value.trim();
    throw new ConfigError(`${name} must be a URL that begins with ${protocols.map((p) => `${p}//`).join(" or ")}`);
  },
});
