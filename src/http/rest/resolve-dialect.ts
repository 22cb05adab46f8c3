import { createRegistry, type DescField, type DescMessage, type DescService, ScalarType } from "@bufbuild/protobuf";
import { type DialectNames, dialectNames } from "../dialect.ts";
import { filesOf } from "./fields.ts";

/** Messages and fields that REST treats by rules of WAHA's dialect. */
export interface Dialect {
  /** Fields shown as null when they are unset, and lists when they are empty. */
  readonly nullWhenUnset: ReadonlySet<DescField>;
  /** Fields shown even when they have their default value. */
  readonly shownWhenDefault: ReadonlySet<DescField>;
  /** Fields of streamed messages that become the `id` of a server-sent event. */
  readonly streamIds: ReadonlySet<DescField>;
  /** Fields of stream requests that take the header Last-Event-ID. */
  readonly resumeFields: ReadonlySet<DescField>;
  /** Request messages that REST also takes as a urlencoded form. */
  readonly formRequests: ReadonlySet<DescMessage>;
  /** Request messages whose JSON may have values of another type. */
  readonly looseRequests: ReadonlySet<DescMessage>;
  readonly fileRequests: ReadonlySet<DescMessage>;
  /** Fields of requests that name the default session if they are left out. */
  readonly defaultSessions: ReadonlySet<DescField>;
  /** Fields of requests that the query parameter `phone` fills. */
  readonly phoneFields: ReadonlySet<DescField>;
}

/**
 * Returns the dialect's messages and fields among the protos of `services`. Throws an Error that lists all names without a definition,
 * so that a server does not start with a rule for a field that has been renamed.
 */
export function resolveDialect(services: readonly DescService[], names: DialectNames = dialectNames): Dialect {
  const registry = createRegistry(...filesOf(services));
  const faults: string[] = [];

  function findMessages(list: keyof DialectNames): DescMessage[] {
    return names[list].flatMap((name) => {
      const message = registry.getMessage(name);
      if (message === undefined) faults.push(`${list}: there is no message ${name}`);
      return message ?? [];
    });
  }

  function findFields(list: keyof DialectNames, isAllowed: (field: DescField) => boolean = () => true): DescField[] {
    return names[list].flatMap((name) => {
      const dot = name.lastIndexOf(".");
      const message = registry.getMessage(name.slice(0, dot));
      const field = message?.fields.find((one) => one.name === name.slice(dot + 1));
      if (field === undefined) faults.push(`${list}: there is no field ${name}`);
      else if (!isAllowed(field)) faults.push(`${list}: the type of ${name} is not uint64`);
      return field ?? [];
    });
  }

  const dialect = {
    nullWhenUnset: new Set(findFields("nullWhenUnset")),
    shownWhenDefault: new Set(findFields("shownWhenDefault")),
    streamIds: new Set(findFields("streamIds", isUint64)),
    resumeFields: new Set(findFields("resumeFields", isUint64)),
    formRequests: new Set(findMessages("formRequests")),
    looseRequests: new Set(findMessages("looseRequests")),
    fileRequests: new Set(findMessages("fileRequests")),
    defaultSessions: new Set(findFields("defaultSessions")),
    phoneFields: new Set(findFields("phoneFields")),
  };
  if (faults.length > 0) throw new Error(`src/http/dialect.ts does not match the protos:\n${faults.join("\n")}`);
  return dialect;
}

function isUint64(field: DescField): boolean {
  return field.fieldKind === "scalar" && field.scalar === ScalarType.UINT64;
}
