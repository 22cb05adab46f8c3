import type { DescMessage, Message } from "@bufbuild/protobuf";
import { type Duration, durationMs } from "@bufbuild/protobuf/wkt";
import type { Interceptor } from "@connectrpc/connect";
import * as auth from "../../gen/sessiond/v1/auth_service_pb.js";
import * as events from "../../gen/sessiond/v1/event_service_pb.js";
import {
  Engine_Kind,
  Session_StatusReason as Reason,
  Session_Status as Status,
  Session_View as View,
} from "../../gen/sessiond/v1/session_pb.js";
import * as session from "../../gen/sessiond/v1/session_service_pb.js";
import {
  WebhookDelivery_State as DeliveryState,
  WebhookEndpoint_State as EndpointState,
} from "../../gen/sessiond/v1/webhook_pb.js";
import * as webhook from "../../gen/sessiond/v1/webhook_service_pb.js";
import { configViolations } from "../domain/config-violations.ts";
import { invalidArgument, type Violation } from "../domain/errors.ts";
import { loggedEventNames } from "../domain/event.ts";
import { phoneNumber } from "../domain/phone-number.ts";
import { sessionNameViolations } from "../domain/session-name.ts";
import { messageRules } from "./message-rules.ts";
import {
  enumListViolations,
  enumViolations,
  named,
  optionalName,
  pageSizeViolations,
  type Rule,
  rule,
} from "./rule.ts";

/** Formats in which REST returns a QR code. */
const qrFormats = ["image", "raw"];
/** Entries of logs on a page, at most, and sessions or endpoints. */
const maxEntries = 500;
const maxItems = 1000;
/** Lifetime of a pairing link, at most. */
const maxLinkMs = 24 * 3_600_000;
/** Characters of a search, at most. */
const maxQuery = 500;

/** Checks the session names of a stream request. */
const streamedNames = ({ session, sessions }: { session: string; sessions: readonly string[] }) => [
  ...optionalName(session, "session"),
  ...sessions.flatMap((name, index) => sessionNameViolations(name, `sessions.${index}`)),
];

const queryViolations = (query: string): Violation[] =>
  query.length <= maxQuery ? [] : [{ field: "query", description: `must not be longer than ${maxQuery} characters` }];

function eventNameViolations(name: string, index: number): Violation[] {
  if (name === "*" || loggedEventNames.includes(name)) return [];
  const field = `names.${index}`;
  return [{ field, description: `must be one of the following values: ${[...loggedEventNames, "*"].join(", ")}` }];
}

const consumerViolations = (consumer: string): Violation[] =>
  /^[\w.-]{1,64}$/.test(consumer)
    ? []
    : [{ field: "consumer", description: "must be 1 to 64 characters of A-Z a-z 0-9 _ - and dot" }];

const rules: ReadonlyMap<string, Rule[1]> = new Map([
  ...messageRules,
  rule(session.ListSessionsRequestSchema, ({ query, status, reason, engine, pageSize, view }) => [
    ...queryViolations(query),
    ...enumListViolations(Status, status, "status"),
    ...enumListViolations(Reason, reason, "reason"),
    ...enumListViolations(Engine_Kind, engine, "engine"),
    ...pageSizeViolations(pageSize, maxItems),
    ...enumViolations(View, view, "view"),
  ]),
  rule(session.ListStatusHistoryRequestSchema, (message) => [
    ...named(message),
    ...pageSizeViolations(message.pageSize, maxEntries),
  ]),
  rule(session.GetSessionRequestSchema, named),
  rule(session.CreateSessionRequestSchema, ({ name, config, engine }) => [
    ...optionalName(name, "name"),
    ...configViolations(config),
    ...enumViolations(Engine_Kind, engine, "engine"),
  ]),
  rule(session.UpdateSessionRequestSchema, (message) => [...named(message), ...configViolations(message.config)]),
  rule(session.DeleteSessionRequestSchema, named),
  rule(session.StartSessionRequestSchema, named),
  rule(session.StopSessionRequestSchema, named),
  rule(session.RestartSessionRequestSchema, named),
  rule(session.LogoutSessionRequestSchema, named),
  rule(session.RestoreCredentialsRequestSchema, named),
  rule(session.GetMeRequestSchema, named),
  rule(session.GetScreenshotRequestSchema, (message) => optionalName(message.session, "session")),
  rule(session.StatusStreamRequestSchema, (message) => [
    ...streamedNames(message),
    ...enumListViolations(Status, message.until, "until"),
  ]),
  rule(session.StartSessionDeprecatedRequestSchema, ({ name, config }) => [
    ...optionalName(name, "name"),
    ...configViolations(config),
  ]),
  rule(session.StopSessionDeprecatedRequestSchema, ({ name }) => optionalName(name, "name")),
  rule(session.LogoutSessionDeprecatedRequestSchema, ({ name }) => optionalName(name, "name")),
  rule(auth.GetQrRequestSchema, named),
  rule(auth.GetQrBodyRequestSchema, (message) => [...named(message), ...formatViolations(message.format)]),
  rule(auth.RequestCodeRequestSchema, (message) => [...named(message), ...phoneViolations(message.phoneNumber)]),
  rule(auth.AuthorizeCodeRequestSchema, (message) => [...named(message), ...codeViolations(message.code)]),
  rule(auth.QrStreamRequestSchema, named),
  rule(auth.CreatePairingLinkRequestSchema, (message) => [...named(message), ...ttlViolations(message.ttl)]),
  rule(auth.ListPairingLinksRequestSchema, named),
  rule(auth.RevokePairingLinkRequestSchema, (message) => [
    ...named(message),
    ...(message.id === "" ? [{ field: "id", description: "should not be empty" }] : []),
  ]),
  rule(events.StreamEventsRequestSchema, (message) => [
    ...streamedNames(message),
    ...message.names.flatMap(eventNameViolations),
    ...(message.consumer === "" ? [] : consumerViolations(message.consumer)),
  ]),
  rule(webhook.ListDeliveriesRequestSchema, (message) => [
    ...optionalName(message.session, "session"),
    ...enumViolations(DeliveryState, message.state, "state"),
    ...pageSizeViolations(message.pageSize, maxEntries),
  ]),
  rule(webhook.GetDeliveryRequestSchema, named),
  rule(webhook.ResendDeliveryRequestSchema, named),
  rule(webhook.ResendFailedRequestSchema, (message) => optionalName(message.session, "session")),
  rule(webhook.SendTestEventRequestSchema, named),
  rule(webhook.ListEndpointsRequestSchema, (message) => [
    ...optionalName(message.session, "session"),
    ...enumViolations(EndpointState, message.state, "state"),
    ...pageSizeViolations(message.pageSize, maxItems),
  ]),
  rule(webhook.EnableEndpointRequestSchema, named),
  rule(events.AckEventsRequestSchema, ({ consumer }) => consumerViolations(consumer)),
  rule(events.CreateStreamTicketRequestSchema, () => []),
]);

/** Returns each broken rule of a request. Messages without rules break none. */
export const violationsOf = (message: Message): Violation[] => rules.get(message.$typeName)?.(message) ?? [];

/** Returns true if this message type has rules. */
export const hasRule = (desc: DescMessage): boolean => rules.has(desc.typeName);

/** Refuses requests that break a rule before they have any effect. */
export const validation: Interceptor = (next) => (req) => {
  if (req.stream) return next({ ...req, message: checkStream(req.message) });
  const violations = violationsOf(req.message);
  return violations.length > 0 ? Promise.reject(invalidArgument(violations)) : next(req);
};

function check<T extends Message>(message: T): T {
  const violations = violationsOf(message);
  if (violations.length > 0) throw invalidArgument(violations);
  return message;
}

async function* checkStream<T extends Message>(messages: AsyncIterable<T>): AsyncIterable<T> {
  for await (const message of messages) yield check(message);
}

function formatViolations(format: string): Violation[] {
  if (format === "" || qrFormats.includes(format)) return [];
  return [{ field: "format", description: `must be one of the following values: ${qrFormats.join(", ")}` }];
}

function phoneViolations(text: string): Violation[] {
  const number = phoneNumber(text);
  return typeof number === "string" ? [] : [number];
}

function ttlViolations(ttl: Duration | undefined): Violation[] {
  const ms = ttl ? durationMs(ttl) : 1_000;
  return ms >= 1_000 && ms <= maxLinkMs ? [] : [{ field: "ttl", description: 'must be from "1s" to "86400s"' }];
}

const codeViolations = (code: string): Violation[] =>
  code === "" ? [{ field: "code", description: "should not be empty" }] : [];
