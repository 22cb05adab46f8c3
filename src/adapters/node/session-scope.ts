import { AsyncLocalStorage } from "node:async_hooks";
import type { SessionScope } from "../../ports/system.ts";

const sessions = new AsyncLocalStorage<string>();

/** Runs code in an async context tagged with a session. Sockets, timers and promises created there inherit the tag. */
export const sessionScope: SessionScope = (session, work) => sessions.run(session, work);

/** Returns the session of the running code, if any. In handlers of uncaught errors that is the session that failed. */
export const currentSession = (): string | undefined => sessions.getStore();
