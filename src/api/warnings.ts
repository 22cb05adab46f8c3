import { isMessage, type Message } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import * as events from "../../gen/sessiond/v1/event_service_pb.js";
import type { SessionConfig } from "../../gen/sessiond/v1/session_pb.js";
import * as session from "../../gen/sessiond/v1/session_service_pb.js";
import { eventsThatNeverFire } from "../domain/config-violations.ts";
import { deletedEventName, postedEventNames, testEventName } from "../domain/event.ts";

/** The header of an answer that tells of parts of a request that were accepted and have no effect: an RFC 9651 List of Strings. */
export const warningHeader = "sessiond-warning";
/** The request header in which a transcoder names the parts that stand for no field: percent-encoded, with commas between them. */
export const ignoredNamesHeader = "x-ignored-names";

/** How many warnings an answer names, and how long one can be, so that no proxy refuses the header. */
const maxWarnings = 5;
const maxWarningLength = 160;
/** How many kinds of warnings are remembered as logged. */
const maxKinds = 200;

/** One part of a request without effect. */
interface Warning {
  readonly text: string;
  /** The same for all warnings that one line in the log stands for; printable. */
  readonly kind: string;
}

/** Logs each kind of warning once. */
export class Warnings {
  readonly #logger: { warn(fields: object, message: string): void };
  readonly #logged = new Set<string>();

  constructor(logger: { warn(fields: object, message: string): void }) {
    this.#logger = logger;
  }

  /** Logs the kind if it is new. After many kinds a last line says that no more follow. */
  log(kind: string): void {
    if (this.#logged.has(kind) || this.#logged.size > maxKinds) return;
    this.#logged.add(kind);
    if (this.#logged.size > maxKinds)
      this.#logger.warn({}, "more parts of requests have no effect; they are not logged");
    else this.#logger.warn({ part: kind }, "part of a request has no effect");
  }
}

/** Names the parts of a request without effect in the header of its answer, and logs each kind of them once. */
export function warning(warnings: Warnings): Interceptor {
  return (next) => async (req) => {
    const ignored = req.header.get(ignoredNamesHeader);
    const found = ignored === null ? [] : ignored.split(",").map((name) => unknownName(decodeURIComponent(name)));
    if (!req.stream) found.push(...warningsOf(req.message));
    const res = await next(req.stream ? { ...req, message: noted(req.message, found) } : req);
    if (found.length === 0) return res;
    for (const { kind } of found) warnings.log(kind);
    res.header.set(warningHeader, headerOf(found));
    return res;
  };
}

async function* noted<T extends Message>(messages: AsyncIterable<T>, found: Warning[]): AsyncIterable<T> {
  for await (const message of messages) {
    found.push(...warningsOf(message));
    yield message;
  }
}

const configOf = (message: Message): SessionConfig | undefined =>
  isMessage(message, session.CreateSessionRequestSchema) ||
  isMessage(message, session.UpdateSessionRequestSchema) ||
  isMessage(message, session.StartSessionDeprecatedRequestSchema)
    ? message.config
    : undefined;

/** Names of a stream that can come, besides those of webhooks. */
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
  // It goes to a terminal and into a header.
  const name = sent.replace(/[^\x20-\x7e]/gu, "?");
  const kind = `${name.replace(/\.\d+(?=\.|$)/g, ".*")} is unknown and ignored`;
  return { text: `${name} is unknown and ignored`, kind };
}

/** The warnings as an RFC 9651 List of Strings. */
function headerOf(found: readonly Warning[]): string {
  const texts = found.slice(0, maxWarnings).map(({ text }) => text.slice(0, maxWarningLength));
  if (found.length > maxWarnings) texts.push("and more");
  return texts.map((text) => `"${text.replace(/["\\]/g, "\\$&")}"`).join(", ");
}
