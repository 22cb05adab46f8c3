import { isMessage, type Message } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import * as events from "../../gen/sessiond/v1/event_service_pb.js";
import type { SessionConfig } from "../../gen/sessiond/v1/session_pb.js";
import * as session from "../../gen/sessiond/v1/session_service_pb.js";
import { eventsThatNeverFire } from "../domain/config-violations.ts";
import { deletedEventName, postedEventNames, testEventName } from "../domain/event.ts";

/** Response header for the parts of a request that were accepted without effect: an RFC 9651 List of Strings. */
export const warningHeader = "sessiond-warning";
/** Request header in which the transcoder lists unknown fields, percent-encoded and separated by commas. */
export const ignoredNamesHeader = "x-ignored-names";

/** Limits on the number and length of warnings in an answer, so that proxies accept the header. */
const maxWarnings = 5;
const maxWarningLength = 160;
/** Kinds of warnings that are logged, at most. */
const maxKinds = 200;

/** One part of a request that has no effect. */
interface Warning {
  readonly text: string;
  /** Equal for warnings that share one log line. Printable. */
  readonly kind: string;
}

/** Logs each kind of warning once. */
export class Warnings {
  readonly #logger: { warn(fields: object, message: string): void };
  readonly #logged = new Set<string>();

  constructor(logger: { warn(fields: object, message: string): void }) {
    this.#logger = logger;
  }

  /** Logs a kind on its first occurrence. After the last kind, one line says that no more follow. */
  log(kind: string): void {
    if (this.#logged.has(kind) || this.#logged.size > maxKinds) return;
    this.#logged.add(kind);
    if (this.#logged.size > maxKinds)
      this.#logger.warn({}, "more parts of requests have no effect; they are not logged");
    else this.#logger.warn({ part: kind }, "part of a request has no effect");
  }
}

/**
 * Creates the interceptor that reports the parts of a request without effect in a response header, and logs each kind
 * once.
 */
export function warning(warnings: Warnings): Interceptor {
  return (next) => {
    const report: typeof next = async (req) => {
      const found = unknownNames(req.header);
      if (!req.stream) found.push(...warningsOf(req.message));
      const res = await next(req.stream ? { ...req, message: collectWarnings(req.message, found) } : req);
      if (found.length === 0) return res;
      for (const { kind } of found) warnings.log(kind);
      res.header.set(warningHeader, headerOf(found));
      return res;
    };
    // Most messages have no part that could be without effect.
    return (req) =>
      req.stream || canWarn(req.message) || req.header.has(ignoredNamesHeader) ? report(req) : next(req);
  };
}

function unknownNames(header: Headers): Warning[] {
  const ignored = header.get(ignoredNamesHeader);
  return ignored === null ? [] : ignored.split(",").map((name) => unknownName(decodeURIComponent(name)));
}

async function* collectWarnings<T extends Message>(messages: AsyncIterable<T>, found: Warning[]): AsyncIterable<T> {
  for await (const message of messages) {
    found.push(...warningsOf(message));
    yield message;
  }
}

const typesWithWarnings: ReadonlySet<string> = new Set(
  [
    session.CreateSessionRequestSchema,
    session.UpdateSessionRequestSchema,
    session.StartSessionDeprecatedRequestSchema,
    events.StreamEventsRequestSchema,
  ].map(({ typeName }) => typeName),
);

const canWarn = (message: Message): boolean => typesWithWarnings.has(message.$typeName);

const configOf = (message: Message): SessionConfig | undefined =>
  isMessage(message, session.CreateSessionRequestSchema) ||
  isMessage(message, session.UpdateSessionRequestSchema) ||
  isMessage(message, session.StartSessionDeprecatedRequestSchema)
    ? message.config
    : undefined;

/** Names that can occur in a stream: those of webhooks, and the ones for streams only. */
const streamedNames = ["*", testEventName, deletedEventName, ...postedEventNames];

function warningsOf(message: Message): Warning[] {
  if (isMessage(message, events.StreamEventsRequestSchema)) {
    return message.names.flatMap((name, i) => (streamedNames.includes(name) ? [] : [neverFires(`names.${i}`, name)]));
  }
  return eventsThatNeverFire(configOf(message)).map(({ field, event }) => neverFires(field, event));
}

const neverFires = (field: string, event: string): Warning => ({
  text: `${field}: ${event} never fires here`,
  kind: `event ${event} never fires here`,
});

function unknownName(sent: string): Warning {
  // The name goes to a terminal and into a header.
  const name = sent.replace(/[^\x20-\x7e]/gu, "?");
  const kind = `${name.replace(/\.\d+(?=\.|$)/g, ".*")} is unknown and ignored`;
  return { text: `${name} is unknown and ignored`, kind };
}

/** Returns the warnings as an RFC 9651 List of Strings. */
function headerOf(found: readonly Warning[]): string {
  const texts = found.slice(0, maxWarnings).map(({ text }) => text.slice(0, maxWarningLength));
  if (found.length > maxWarnings) texts.push("and more");
  return texts.map((text) => `"${text.replace(/["\\]/g, "\\$&")}"`).join(", ");
}
