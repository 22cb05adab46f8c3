/** A variable of the environment that cannot be understood. The message names it and never repeats a secret. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** Variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Typed access to variables. */
export type Reader = ReturnType<typeof reader>;

/** Typed access to variables; an empty one counts as not set, as in a compose file. */
export function reader(env: Environment) {
  const text = (name: string) => env[name] || undefined;
  const number = (name: string, min: number, max: number) => {
    const value = text(name);
    if (value === undefined) return undefined;
    const result = Number(value);
    if (!(result >= min && result <= max)) throw new ConfigError(`${name} must be a number from ${min} to ${max}`);
    return result;
  };
  return {
    text,
    number,
    integer(name: string, min: number, max: number) {
      const value = number(name, min, max);
      if (value !== undefined && !Number.isInteger(value)) throw new ConfigError(`${name} must be a whole number`);
      return value;
    },
    boolean(name: string, fallback: boolean) {
      const value = text(name)?.toLowerCase();
      if (value === undefined) return fallback;
      if (["true", "1", "yes", "on"].includes(value)) return true;
      if (["false", "0", "no", "off"].includes(value)) return false;
      throw new ConfigError(`${name} must be true or false`);
    },
    oneOf<T extends string>(name: string, values: readonly T[]): T | undefined {
      const value = text(name);
      const found = values.find((known) => known.toLowerCase() === value?.toLowerCase());
      if (value !== undefined && found === undefined)
        throw new ConfigError(`${name} must be one of ${values.join(", ")}`);
      return found;
    },
    list(name: string, separator = ",") {
      return (text(name) ?? "")
        .split(separator)
        .map((item) => item.trim())
        .filter((item) => item !== "");
    },
    url(name: string, protocols: readonly string[]) {
      const value = text(name);
      if (value !== undefined && !protocols.includes(URL.parse(value)?.protocol ?? "")) {
        throw new ConfigError(`${name} must be a URL that begins with ${protocols.map((p) => `${p}//`).join(" or ")}`);
      }
      return value;
    },
  };
}
