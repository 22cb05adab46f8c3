import { unknownVariables } from "./unknown-variables.ts";
import type { Variable } from "./variable.ts";
import { type ValueOf, type VariableName, variables } from "./variables.ts";

/** Variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A note for the log about a variable. Never contains the value. */
export interface Warning {
  readonly variable: string;
  readonly message: string;
}

/** Typed access to the variables of the table. */
export interface Reader {
  /** Returns the value, or the default. Throws ConfigError for a value that breaks its rule. */
  get<N extends VariableName>(name: N): ValueOf<N>;
  /** Returns whether the variable is set and not blank. */
  has(name: VariableName): boolean;
  /** Records a note for the log. */
  warn(variable: string, message: string): void;
  warnings(): readonly Warning[];
}

/**
 * Returns typed access to an environment. A blank variable counts as unset, as in a compose file. One pair of quotes around a value
 * comes from an env file and is removed. Misspelt names of sessiond's variables become warnings.
 */
export function createReader(env: Environment): Reader {
  const warnings = new Map<string, Warning>();
  const warn = (variable: string, message: string) =>
    void warnings.set(`${variable} ${message}`, { variable, message });
  const textOf = (name: string): string | undefined => {
    const value = env[name] ?? "";
    const inner = unquoted(value);
    if (inner !== undefined) warn(name, "has quotes around its value, which were removed");
    return (inner ?? value).trim() === "" ? undefined : (inner ?? value);
  };
  for (const { name, message } of unknownVariables(env, Object.keys(variables))) warn(name, message);
  return {
    get<N extends VariableName>(name: N) {
      const { kind, fallback }: Variable<unknown> = variables[name];
      const text = textOf(name);
      return (text === undefined ? fallback : kind.parse(text, name)) as ValueOf<N>;
    },
    has: (name) => textOf(name) !== undefined,
    warn,
    warnings: () => [...warnings.values()],
  };
}

/** Returns the text within one pair of quotes that encloses all of it; undefined if there is none. */
export const unquoted = (value: string): string | undefined =>
  /^\s*(?:"(?<double>[^"]*)"|'(?<single>[^']*)')\s*$/
    .exec(value)
    ?.slice(1)
    .find((inner) => inner !== undefined);
