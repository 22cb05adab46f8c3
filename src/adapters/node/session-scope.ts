import { AsyncLocalStorage } from "node:async_hooks";
import type { SessionScope } from "../../ports/system.ts";

const sessions = new AsyncLocalStorage<string>();

/** Node hands the session on to whatever is begun in its scope: sockets, timers, promises. */
export const sessionScope: SessionScope = (session, work) => sessions.run(session, work);

/** The session whose scope the running code is in, if any: in handlers of uncaught failures, the one that failed. */
export const currentSession = (): string | undefined => sessions.getStore();
