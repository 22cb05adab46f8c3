/** A variable of the environment that cannot be understood. The message names it and never repeats a secret. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** Variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A value that was not taken as it stands. Names the variable and never shows the value. */
export interface Warning {
  readonly variable: string;
  readonly message: string;
}

/** Typed access to variables. */
export type Reader = ReturnType<typeof reader>;

/**
 * Returns typed access to variables. An empty or blank one counts as unset, as in a compose file; one pair of quotes round a value is
 * an env file's and is taken off.
 */
export function reader(env: Environment) {
  const warnings = new Map<string, Warning>();
  const warn = (variable: string, message: string) =>
    void warnings.set(`${variable} ${message}`, { variable, message });
  const text = (name: string) => {
    const value = env[name] ?? "";
    const inner = unquoted(value);
    if (inner !== undefined) warn(name, "has quotes round its value, which were taken off");
    return (inner ?? value).trim() === "" ? undefined : (inner ?? value);
  };
  const trimmed = (name: string) => text(name)?.trim();
  const number = (name: string, min: number, max: number) => {
    const value = trimmed(name);
    if (value === undefined) return undefined;
    const result = Number(value);
    if (!(result >= min && result <= max)) throw new ConfigError(`${name} must be a number from ${min} to ${max}`);
    return result;
  };
  return {
    /** Records something that the log should tell once there is one. */
    warn,
    warnings: (): Warning[] => [...warnings.values()],
    /** The value with the blanks round it, which may belong to a password. */
    text,
    trimmed,
    number,
    integer(name: string, min: number, max: number) {
      const value = number(name, min, max);
      if (value !== undefined && !Number.isInteger(value)) throw new ConfigError(`${name} must be a whole number`);
      return value;
    },
    boolean(name: string, fallback: boolean) {
      const value = trimmed(name)?.toLowerCase();
      if (value === undefined) return fallback;
      if (["true", "1", "yes", "on"].includes(value)) return true;
      if (["false", "0", "no", "off"].includes(value)) return false;
      throw new ConfigError(`${name} must be true or false`);
    },
    oneOf<T extends string>(name: string, values: readonly T[]): T | undefined {
      const value = trimmed(name);
      const found = values.find((known) => known.toLowerCase() === value?.toLowerCase());
      if (value !== undefined && found === undefined)
        throw new ConfigError(`${name} must be one of ${values.join(", ")}`);
      return found;
    },
    list: (name: string, separator = ",") => itemsOf(text(name), separator).filter((item) => item !== ""),
    /** A list in which each place counts. Throws ConfigError if one is empty. */
    fullList(name: string) {
      const items = itemsOf(text(name), ",");
      const empty = items.indexOf("");
      if (empty >= 0) throw new ConfigError(`${name} has an empty item: number ${empty + 1} of ${items.length}`);
      return items;
    },
    url(name: string, protocols: readonly string[]) {
      const value = trimmed(name);
      if (value !== undefined && !protocols.includes(URL.parse(value)?.protocol ?? "")) {
        throw new ConfigError(`${name} must be a URL that begins with ${protocols.map((p) => `${p}//`).join(" or ")}`);
      }
      return value;
    },
  };
}

const itemsOf = (value: string | undefined, separator: string) =>
  value === undefined ? [] : value.split(separator).map((item) => item.trim());

/** The text within one pair of quotes that stands round all of it; undefined if there is none. */
export const unquoted = (value: string): string | undefined =>
  /^\s*(?:"(?<double>[^"]*)"|'(?<single>[^']*)')\s*$/
    .exec(value)
    ?.slice(1)
    .find((inner) => inner !== undefined);
