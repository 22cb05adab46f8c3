import type { SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import type { Engine_Kind, WebhookConfig } from "../../gen/sessiond/v1/session_pb.js";
import type { ProxyPool } from "../domain/proxy.ts";
import type { SessionPolicy } from "../domain/session.ts";
import type { Backend } from "../ports/backend.ts";
import type { EngineFactory } from "../ports/engine.ts";
import type { Clock, Logger, Random, SessionScope } from "../ports/system.ts";
import type { ConnectGate } from "./connect-gate.ts";

/** What runners need, the same for all of them. */
export interface RunnerDeps {
  readonly backend: Pick<Backend, "sessions" | "engineData" | "pendingUnlinks">;
  readonly engines: ReadonlyMap<Engine_Kind, EngineFactory>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly policy: Omit<SessionPolicy, "jitter">;
  /** Called for every event of every session, whatever the session's configuration. */
  readonly globalWebhook: WebhookConfig | undefined;
  /** The proxies of sessions that configure none. */
  readonly proxies: ProxyPool;
  /** Who may connect when; left out: everybody at once. */
  readonly gate?: ConnectGate | undefined;
  /** What engines are opened in, if anything. */
  readonly scope?: SessionScope | undefined;
  /** Called after each write of a session's record. */
  readonly onChange?: (record: SessionRecord) => void;
  /** Called after a session's login was set aside under this id. */
  readonly onSetAside?: (id: string) => Promise<void>;
}

/**
 * Removes what engines of the session keep outside of the store; none may be open. Idempotent, and to be called before the record
 * is removed: as long as that is there, the next process finishes what a crash cuts short.
 */
export const discardOutside = async ({ engines }: RunnerDeps, { engine, name }: SessionRecord): Promise<void> =>
  engines.get(engine)?.files?.discard(name);
