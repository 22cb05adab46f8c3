import type { Kind } from "./kinds.ts";

/** Documentation of a variable. */
interface Facts {
  /** Full sentences, in Markdown. */
  readonly description: string;
  /** The default in words, where it is not one value. */
  readonly shownDefault?: string;
  /** The value must not be logged or answered. */
  readonly isSecret?: true;
  /** The variable that this one is another name for. The documentation shows both in one row. */
  readonly aliasOf?: string;
  /** Left out of the documentation. */
  readonly isHidden?: true;
  /** A library or Node reads the variable by itself. */
  readonly isReadElsewhere?: true;
}

/** One variable of the environment. */
export interface Variable<T> extends Facts {
  readonly kind: Kind<T>;
  /** The value if the variable is unset. */
  readonly fallback: T;
}

/** Creates the row of a variable. Without a default, its value may be undefined. */
export function variable<T>(kind: Kind<T>, facts: Facts & { readonly default: T & {} }): Variable<T>;
export function variable<T>(kind: Kind<T>, facts: Facts): Variable<T | undefined>;
export function variable<T>(kind: Kind<T>, facts: Facts & { readonly default?: T & {} }): Variable<T | undefined> {
  return { ...facts, kind, fallback: facts.default };
}

/** Creates the row of another name for a variable. */
export const alias = <T>(kind: Kind<T>, aliasOf: string, facts: Partial<Facts> = {}): Variable<T | undefined> =>
  variable(kind, { description: "", aliasOf, ...facts });
