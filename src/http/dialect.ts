import { STATUS_CODES } from "node:http";
import { Code } from "@connectrpc/connect";

// WAHA's dialect of REST as data: the differences in JSON and status codes from google.api.http, the proto3 JSON mapping and
// Connect. The code that reads these tables is independent of any service.

/** HTTP status of a successful answer, by HTTP method. Default 200. */
export const successStatus: ReadonlyMap<string, number> = new Map([["POST", 201]]);

/** HTTP status of an error, by its code. */
export const errorStatus = {
  [Code.Canceled]: 499,
  [Code.Unknown]: 500,
  [Code.InvalidArgument]: 400,
  [Code.DeadlineExceeded]: 504,
  [Code.NotFound]: 404,
  [Code.AlreadyExists]: 422,
  [Code.PermissionDenied]: 403,
  [Code.ResourceExhausted]: 429,
  [Code.FailedPrecondition]: 422,
  [Code.Aborted]: 409,
  [Code.OutOfRange]: 400,
  [Code.Unimplemented]: 422,
  [Code.Internal]: 500,
  [Code.Unavailable]: 503,
  [Code.DataLoss]: 500,
  [Code.Unauthenticated]: 401,
} as const satisfies Record<Code, number>;

/** Source of a value in an error body: the error's message, or an entry in the metadata of its ErrorInfo. */
export type ErrorBodySource = "message" | { metadata: string } | { commaList: string };

/** Status and body of errors that differ from other errors of their code, by the reason in google.rpc.ErrorInfo. */
export const errorReasons: Readonly<
  Record<string, { status: number; body?: Readonly<Record<string, ErrorBodySource>> }>
> = {
  REVISION_CONFLICT: { status: 412 },
  FILE_GONE: { status: 410 },
  FILE_TOO_LARGE: { status: 413 },
  SESSION_STATUS_UNEXPECTED: {
    status: 422,
    body: {
      error: "message",
      session: { metadata: "session" },
      status: { metadata: "status" },
      expected: { commaList: "expected" },
    },
  },
};

/** Error bodies that do not depend on the error, by status. */
export const fixedErrorBodies: Readonly<Record<number, object>> = {
  401: { message: "Unauthorized", statusCode: 401 },
  500: { statusCode: 500, message: "Internal server error" },
};

/** Returns the body of an error without a body of its own. The order of the keys is part of the dialect. */
export function errorBody(statusCode: number, message: string | readonly string[]): object {
  return fixedErrorBodies[statusCode] ?? { statusCode, message, error: reasonPhrase(statusCode) };
}

function reasonPhrase(status: number): string {
  return status === errorStatus[Code.Canceled] ? "Client Closed Request" : (STATUS_CODES[status] ?? "Error");
}

/** Returns the message for a method and URL (path and query, as sent) without a route. */
export function notFoundMessage(method: string, url: string): string {
  return `Cannot ${method} ${url}`;
}

/** Content types of pictures, and the keys of the JSON that replaces one for a client that accepts JSON and no picture. */
export const picture = { contentType: /^image\//, keys: { contentType: "mimetype", base64: "data" } } as const;

/** Full names of the fields and messages that the dialect treats in a way of their own; `resolveDialect` checks them. */
export interface DialectNames {
  readonly nullWhenUnset: readonly string[];
  readonly shownWhenDefault: readonly string[];
  readonly streamIds: readonly string[];
  readonly resumeFields: readonly string[];
  readonly formRequests: readonly string[];
  readonly looseRequests: readonly string[];
  readonly fileRequests: readonly string[];
  readonly defaultSessions: readonly string[];
  readonly phoneFields: readonly string[];
}

/** The names in WAHA's dialect. */
export const dialectNames: DialectNames = {
  // Fields shown as null when they are unset, and lists when they are empty. Other unset fields are left out.
  nullWhenUnset: [
    "sessiond.v1.Session.me",
    "sessiond.v1.SessionConfig.proxy",
    "sessiond.v1.WebhookConfig.hmac",
    "sessiond.v1.WebhookConfig.retries",
    "sessiond.v1.WebhookConfig.custom_headers",
    "sessiond.v1.GetVersionResponse.browser",
    "sessiond.v1.GetMeResponse.me",
    "sessiond.v1.SentMessage.participant",
    "sessiond.v1.SentMessage.media",
    "sessiond.v1.SentMessage.reply_to",
  ],
  // Fields shown with their default value: false, 0, "", [] or, for a message, the message with nothing set.
  shownWhenDefault: [
    "sessiond.v1.Session.name",
    "sessiond.v1.Session.config",
    "sessiond.v1.SessionConfig.webhooks",
    "sessiond.v1.SessionConfig.debug",
    "sessiond.v1.WebhookConfig.url",
    "sessiond.v1.WebhookConfig.events",
    "sessiond.v1.ProxyConfig.server",
    "sessiond.v1.HmacConfig.key",
    "sessiond.v1.CustomHeader.name",
    "sessiond.v1.CustomHeader.value",
    "sessiond.v1.Me.id",
    "sessiond.v1.Me.push_name",
    "sessiond.v1.ReachoutTimelock.is_active",
    "sessiond.v1.MessageCapping.capping_status",
    "sessiond.v1.MessageCapping.total_quota",
    "sessiond.v1.MessageCapping.used_quota",
    "sessiond.v1.RequestCodeResponse.code",
    "sessiond.v1.ListPairingLinksResponse.links",
    "sessiond.v1.StartSessionDeprecatedResponse.name",
    "sessiond.v1.StartSessionDeprecatedResponse.config",
    "sessiond.v1.ListSessionsResponse.sessions",
    "sessiond.v1.ListSessionsResponse.next_page_token",
    "sessiond.v1.ListSessionsResponse.total_size",
    "sessiond.v1.ListStatusHistoryResponse.transitions",
    "sessiond.v1.ListStatusHistoryResponse.next_page_token",
    "sessiond.v1.ListEndpointsResponse.endpoints",
    "sessiond.v1.ListEndpointsResponse.next_page_token",
    "sessiond.v1.ListEndpointsResponse.total_size",
    "sessiond.v1.ListDeliveriesResponse.deliveries",
    "sessiond.v1.ListDeliveriesResponse.next_page_token",
    "sessiond.v1.SendTestEventResponse.deliveries",
    "sessiond.v1.ResendFailedResponse.resent",
    "sessiond.v1.WebhookDelivery.attempt_count",
    "sessiond.v1.WebhookDelivery.attempts",
    "sessiond.v1.WebhookAttempt.latency_ms",
    "sessiond.v1.WebhookEndpoint.events",
    "sessiond.v1.WebhookEndpoint.disabled",
    "sessiond.v1.WebhookEndpoint.consecutive_failures",
    "sessiond.v1.GetOverviewResponse.Sessions.total",
    "sessiond.v1.GetOverviewResponse.Sessions.by_status",
    "sessiond.v1.GetOverviewResponse.Sessions.by_reason",
    "sessiond.v1.GetOverviewResponse.EngineUse.sessions",
    "sessiond.v1.GetOverviewResponse.connect_queue",
    "sessiond.v1.GetOverviewResponse.storms",
    "sessiond.v1.GetOverviewResponse.storm_count",
    "sessiond.v1.GetOverviewResponse.suspects",
    "sessiond.v1.GetOverviewResponse.suspect_count",
    "sessiond.v1.GetOverviewResponse.Webhooks.pending",
    "sessiond.v1.GetOverviewResponse.Webhooks.retrying",
    "sessiond.v1.GetOverviewResponse.Webhooks.endpoints",
    "sessiond.v1.GetOverviewResponse.Webhooks.failing_endpoints",
    "sessiond.v1.GetOverviewResponse.Webhooks.disabled_endpoints",
    "sessiond.v1.GetOverviewResponse.open_streams",
    "sessiond.v1.GetOverviewResponse.pending_unlinks",
    "sessiond.v1.SentMessage.id",
    "sessiond.v1.SentMessage.timestamp",
    "sessiond.v1.SentMessage.from",
    "sessiond.v1.SentMessage.to",
    "sessiond.v1.SentMessage.body",
    "sessiond.v1.SentMessage.has_media",
    "sessiond.v1.SentMessage.ack",
    "sessiond.v1.SentMessage.ack_name",
    "sessiond.v1.SentMessage.data",
    "sessiond.v1.CheckNumberResponse.number_exists",
    "sessiond.v1.ListOutboxResponse.messages",
    "sessiond.v1.GetServerStatusResponse.uptime",
    "sessiond.v1.GetServerStatusResponse.worker",
    "sessiond.v1.GetServerStatusResponse.Worker.id",
    "sessiond.v1.ListNodesResponse.nodes",
    "sessiond.v1.Node.name",
    "sessiond.v1.Node.version",
    "sessiond.v1.Node.alive",
    "sessiond.v1.Node.draining",
    "sessiond.v1.Node.self",
  ],
  // Fields that number the messages of a stream: the `id` of a server-sent event, unless it is 0.
  streamIds: [
    "sessiond.v1.QrStreamResponse.seq",
    "sessiond.v1.StatusStreamResponse.seq",
    "sessiond.v1.StreamEventsResponse.seq",
  ],
  // Fields of a request that say after which message a stream continues. EventSource sends that as Last-Event-ID.
  resumeFields: [
    "sessiond.v1.QrStreamRequest.after_seq",
    "sessiond.v1.StatusStreamRequest.after_seq",
    "sessiond.v1.StreamEventsRequest.cursor",
  ],
  // Requests that REST also takes as a urlencoded form, because clients of WAHA send one.
  formRequests: [
    "sessiond.v1.StartSessionDeprecatedRequest",
    "sessiond.v1.StopSessionDeprecatedRequest",
    "sessiond.v1.LogoutSessionDeprecatedRequest",
    "sessiond.v1.RequestCodeRequest",
    "sessiond.v1.SendTextRequest",
    "sessiond.v1.ReplyDeprecatedRequest",
    "sessiond.v1.SetReactionRequest",
    "sessiond.v1.SendSeenRequest",
    "sessiond.v1.StartTypingRequest",
    "sessiond.v1.StopTypingRequest",
  ],
  // Requests in which REST takes numbers for texts, texts for booleans and one item for a list: clients of WAHA send all of them.
  looseRequests: [
    "sessiond.v1.SendTextRequest",
    "sessiond.v1.ReplyDeprecatedRequest",
    "sessiond.v1.SendImageRequest",
    "sessiond.v1.SendFileRequest",
    "sessiond.v1.SendVoiceRequest",
    "sessiond.v1.SendVideoRequest",
    "sessiond.v1.SetReactionRequest",
    "sessiond.v1.SendSeenRequest",
    "sessiond.v1.StartTypingRequest",
    "sessiond.v1.StopTypingRequest",
  ],
  // Requests that contain a file, for which bodies may be larger.
  fileRequests: [
    "sessiond.v1.SendImageRequest",
    "sessiond.v1.SendFileRequest",
    "sessiond.v1.SendVoiceRequest",
    "sessiond.v1.SendVideoRequest",
  ],
  // Fields that name the default session if a request leaves them out.
  defaultSessions: [
    "sessiond.v1.SendTextRequest.session",
    "sessiond.v1.ReplyDeprecatedRequest.session",
    "sessiond.v1.SendImageRequest.session",
    "sessiond.v1.SendFileRequest.session",
    "sessiond.v1.SendVoiceRequest.session",
    "sessiond.v1.SendVideoRequest.session",
    "sessiond.v1.SetReactionRequest.session",
    "sessiond.v1.SendSeenRequest.session",
    "sessiond.v1.StartTypingRequest.session",
    "sessiond.v1.StopTypingRequest.session",
    "sessiond.v1.CheckNumberRequest.session",
  ],
  // Fields that the query parameter `phone` fills, as in WAHA's GET /api/sendText.
  phoneFields: ["sessiond.v1.SendTextRequest.chat_id"],
};

/** Name of the default session. */
export const defaultSession = "default";

/** Query parameter for `phoneFields`. */
export const phoneParameter = "phone";

/** Media type of a urlencoded form. */
export const formType = "application/x-www-form-urlencoded";

/** Header that passes names that REST ignored to the RPC: percent-encoded, separated by commas. */
export const ignoredNames = { header: "x-ignored-names", maxLength: 100 } as const;

/** Query parameter for the API key (WAHA 2026), in any letter case, and the header that it is moved to. */
export const apiKey = { parameter: "x-api-key", header: "x-api-key" } as const;

/** Header that passes the secret of a dashboard login to the RPC. It is moved there from the cookie. */
export const loginSecret = { header: "x-dashboard-login" } as const;

/** Query parameter for the ticket of a stream, and the header that passes it to the RPC. */
export const streamTicket = { parameter: "ticket", header: "x-stream-ticket" } as const;
