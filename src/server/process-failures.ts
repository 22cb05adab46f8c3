import type { EventEmitter } from "node:events";
import { currentSession } from "../adapters/node/session-scope.ts";
import type { SessionManager } from "../app/session-manager.ts";
import type { Logger } from "../ports/system.ts";

/**
 * Logs exceptions and rejections that nothing caught, and gives the session that an exception came from a new engine. Other sessions go
 * on. Returns the function that removes the handlers.
 */
export function handleProcessFailures(
  events: EventEmitter,
  manager: Pick<SessionManager, "crashed">,
  logger: Logger,
): () => void {
  const onException = (error: unknown) => {
    const session = currentSession();
    logger.error({ err: error, session }, "uncaught exception");
    if (session !== undefined) void manager.crashed(session);
  };
  const onRejection = (error: unknown) =>
    logger.error({ err: error, session: currentSession() }, "unhandled rejection");
  events.on("uncaughtException", onException);
  events.on("unhandledRejection", onRejection);
  return () => {
    events.off("uncaughtException", onException);
    events.off("unhandledRejection", onRejection);
  };
}
