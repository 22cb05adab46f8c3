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

/** An address that no WhatsApp answers at: sessions there go on trying, and change as often as a test asks them to. */
export const nowhere = { SESSIOND_NOWEB_URL: "ws://127.0.0.1:9" };

/** gRPC clients on one connection of their own; close them, or use `using`. */
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

/** Lets a session change its status `count` times: it is stopped and started in turns. */
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

/** Whether an item is a change, not news of the stream itself. */
export const isChange = ({ kind }: StatusStreamResponse): boolean => kind === Kind.CHANGE || kind === Kind.DELETED;
