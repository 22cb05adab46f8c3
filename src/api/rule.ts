import { type DescMessage, isMessage, type Message, type MessageShape } from "@bufbuild/protobuf";
import type { Violation } from "../domain/errors.ts";
import { sessionNameViolations } from "../domain/session-name.ts";

/** A check of the requests of one type. */
export type Rule = readonly [typeName: string, check: (message: Message) => Violation[]];

/** Returns the rule for requests of a type. */
export function rule<Desc extends DescMessage>(desc: Desc, check: (message: MessageShape<Desc>) => Violation[]): Rule {
  return [desc.typeName, (message) => (isMessage(message, desc) ? check(message) : [])];
}

/** Checks a request that names a session and has no other fields with rules. */
export const named = (message: { session: string }) => sessionNameViolations(message.session, "session");

/** Checks a name that may be empty. */
export const optionalName = (name: string, field: string) => (name === "" ? [] : sessionNameViolations(name, field));

/** The names of an enum's values by number, as generated code has them. */
type EnumNames = Readonly<Record<number, string | undefined>>;

/** Checks a value of an enum: protobuf accepts numbers that stand for none. 0 is allowed with `orUnset`. */
export function enumViolations(names: EnumNames, value: number, field: string, orUnset = true): Violation[] {
  if (names[value] !== undefined && (orUnset || value !== 0)) return [];
  const known = Object.entries(names).flatMap(([key, name]) => (Number(key) > 0 ? (name ?? []) : []));
  return [{ field, description: `must be one of the following values: ${known.join(", ")}` }];
}

/** Checks each value of a list. */
export const enumListViolations = (names: EnumNames, values: readonly number[], field: string) =>
  values.flatMap((value, index) => enumViolations(names, value, `${field}.${index}`, false));

/** Checks the size of a page. */
export const pageSizeViolations = (pageSize: number, max: number): Violation[] =>
  pageSize <= max ? [] : [{ field: "pageSize", description: `must not be greater than ${max}` }];
