import type { ConnectRouter } from "@connectrpc/connect";
import { AuthService } from "../../gen/sessiond/v1/auth_service_pb.js";
import { ServerService } from "../../gen/sessiond/v1/server_service_pb.js";
import { SessionService } from "../../gen/sessiond/v1/session_service_pb.js";
import type { SessionManager } from "../app/session-manager.ts";
import { createAuthService } from "./auth-service.ts";
import { type Admits, gate } from "./authentication.ts";
import { reporting } from "./interceptors.ts";
import type { DrawQr } from "./picture.ts";
import { createServerService, type ServerServiceOptions } from "./server-service.ts";
import { createSessionService } from "./session-service.ts";
import type { ViewOptions } from "./session-view.ts";
import { validation } from "./validation.ts";

/** What the API works with. */
export interface RoutesOptions extends ViewOptions, ServerServiceOptions {
  readonly manager: SessionManager;
  readonly drawQr: DrawQr;
  /** Judges every call before anything of it is read. */
  readonly admits: Admits;
}

/** All services, each call let in, reported and checked whatever the router. */
export function createRoutes(options: RoutesOptions): (router: ConnectRouter) => void {
  const nowMs = () => options.clock.nowMs();
  const interceptors = [reporting({ logger: options.logger, nowMs }), validation];
  const rules = { requestGate: gate(options.admits), interceptors };
  return (router) => {
    router
      .service(SessionService, createSessionService({ ...options, nowMs }), rules)
      .service(AuthService, createAuthService(options), rules)
      .service(ServerService, createServerService(options), rules);
  };
}
