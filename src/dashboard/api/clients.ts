import { type Client, Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { AuthService } from "../../../gen/sessiond/v1/auth_service_pb.js";
import { EventService } from "../../../gen/sessiond/v1/event_service_pb.js";
import { MessageService } from "../../../gen/sessiond/v1/message_service_pb.js";
import { ServerService } from "../../../gen/sessiond/v1/server_service_pb.js";
import { SessionService } from "../../../gen/sessiond/v1/session_service_pb.js";
import { StoreService } from "../../../gen/sessiond/v1/store_service_pb.js";
import { WebhookService } from "../../../gen/sessiond/v1/webhook_service_pb.js";
import { baseUrl } from "../base-url.ts";
import { noteExpiry } from "./access.ts";
import { noteServerTime } from "./server-clock.ts";

/** Learns the server's time from each answer. */
const learnTime: Interceptor = (next) => async (request) => {
  const sentAtMs = Date.now();
  const response = await next(request);
  noteServerTime(response.header.get("date"), sentAtMs, Date.now());
  return response;
};

/** Shows the login as soon as a call is refused for the lack of one. */
const noticeRefusal: Interceptor = (next) => async (request) => {
  try {
    const response = await next(request);
    return response.stream ? { ...response, message: watchItems(response.message) } : response;
  } catch (error) {
    throw noteRefusal(error);
  }
};

/** Streams tell their errors at their end. */
async function* watchItems<T>(items: AsyncIterable<T>): AsyncIterable<T> {
  try {
    yield* items;
  } catch (error) {
    throw noteRefusal(error);
  }
}

function noteRefusal(error: unknown): unknown {
  if (ConnectError.from(error).code === Code.Unauthenticated) noteExpiry();
  return error;
}

const options = { baseUrl: baseUrl.replace(/\/$/, ""), useBinaryFormat: true };

/** The browser adds the login's cookie to each call: pages and calls have the same origin. */
const transport = createConnectTransport({ ...options, interceptors: [learnTime, noticeRefusal] });

export const sessionClient = createClient(SessionService, transport);
export const authClient = createClient(AuthService, transport);
export const webhookClient = createClient(WebhookService, transport);
export const eventClient = createClient(EventService, transport);
export const messageClient = createClient(MessageService, transport);
export const serverClient = createClient(ServerService, transport);
export const storeClient = createClient(StoreService, transport);

/** Returns a client with the rights of a pairing link, and without those of a login that the browser may have. */
export function createPairingClient(token: string): Client<typeof AuthService> {
  const addToken: Interceptor = (next) => (request) => {
    request.header.set("x-pairing-token", token);
    return next(request);
  };
  const withoutCookies: typeof fetch = (input, init) => fetch(input, { ...init, credentials: "omit" });
  return createClient(
    AuthService,
    createConnectTransport({ ...options, fetch: withoutCookies, interceptors: [addToken, learnTime] }),
  );
}
