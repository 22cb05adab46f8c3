import { Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { AuthService } from "../../../gen/sessiond/v1/auth_service_pb.js";
import { SessionService } from "../../../gen/sessiond/v1/session_service_pb.js";
import { baseUrl } from "../base-url.ts";
import { noteExpiry } from "./access.ts";
import { noteServerTime } from "./server-clock.ts";

/** Shows the login as soon as a call is refused for the lack of one, and learns the server's time from each answer. */
const watchAnswers: Interceptor = (next) => async (request) => {
  const sentAtMs = Date.now();
  try {
    const response = await next(request);
    noteServerTime(response.header.get("date"), sentAtMs, Date.now());
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

/** The browser adds the login's cookie to each call: pages and calls have the same origin. */
const transport = createConnectTransport({
  baseUrl: baseUrl.replace(/\/$/, ""),
  useBinaryFormat: true,
  interceptors: [watchAnswers],
});

export const sessionClient = createClient(SessionService, transport);
export const authClient = createClient(AuthService, transport);
