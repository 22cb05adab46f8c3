import type { StateWords } from "./state-mark.ts";

/** Returns the choices of a filter: any state, and each one by its name. */
export function choicesOf<T extends number>(
  anyLabel: string,
  names: Readonly<Record<string, T | string>>,
  words: Readonly<Record<T, StateWords>>,
): Record<string, string> {
  const values = Object.values(names).filter((value): value is T => typeof value === "number" && value !== 0);
  return Object.fromEntries([["", anyLabel], ...values.map((value) => [names[value], words[value].label])]);
}

/** Returns the state of this name, or 0. */
export function stateNamed<T extends number>(names: Readonly<Record<string, T | string>>, name: string | null) {
  const value = names[name ?? ""];
  return typeof value === "number" ? value : 0;
}
