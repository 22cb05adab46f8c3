import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { Health } from "../../gen/health/v1/health_pb.js";
import { AuthService } from "../../gen/sessiond/v1/auth_service_pb.js";
import { EventService } from "../../gen/sessiond/v1/event_service_pb.js";
import {
  StatusStreamResponse_Kind as Kind,
  SessionService,
  type StatusStreamResponse,
} from "../../gen/sessiond/v1/session_service_pb.js";

/** Address without a WhatsApp: sessions there retry endlessly, and change on a test's command. */
export const nowhere = { SESSIOND_NOWEB_URL: "ws://127.0.0.1:9" };

/** Opens gRPC clients on one connection; close them, or declare them with `using`. */
export function connectGrpc(baseUrl: string) {
  const sessionManager = new Http2SessionManager(baseUrl);
  const transport = createGrpcTransport({ baseUrl, sessionManager });
  const close = () => sessionManager.abort();
  return {
    sessions: createClient(SessionService, transport),
    auth: createClient(AuthService, transport),
    events: createClient(EventService, transport),
    health: createClient(Health, transport),
    close,
    [Symbol.dispose]: close,
  };
}

export type GrpcClients = ReturnType<typeof connectGrpc>;

/** Changes a session's status `count` times by stopping and starting it in turns. */
export async function toggle(
  { sessions }: Pick<GrpcClients, "sessions">,
  session: string,
  count: number,
): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    if (n % 2 === 0) await sessions.stopSession({ session });
    else await sessions.startSession({ session });
  }
}

/** Returns whether an item is a change, not information about the stream itself. */
export const isChange = ({ kind }: StatusStreamResponse): boolean => kind === Kind.CHANGE || kind === Kind.DELETED;
