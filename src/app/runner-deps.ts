import { SessionRecord_Phase as Phase, type SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import type { Engine_Kind, WebhookConfig } from "../../gen/sessiond/v1/session_pb.js";
import type { IgnoredChats } from "../domain/ignored-chats.ts";
import type { ProxyPool } from "../domain/proxy.ts";
import type { Rate } from "../domain/rate.ts";
import type { SessionPolicy } from "../domain/session.ts";
import type { Backend } from "../ports/backend.ts";
import type { EngineFactory } from "../ports/engine.ts";
import type { Lease } from "../ports/sessions.ts";
import type { Clock, Logger, Random, SessionScope } from "../ports/system.ts";
import type { ConnectGate } from "./connect-gate.ts";
import type { FileLinks } from "./sending/file-links.ts";
import type { OutgoingFiles } from "./sending/outgoing-files.ts";

/** Dependencies of runners, the same for all of them. */
export interface RunnerDeps {
  readonly backend: Pick<Backend, "sessions" | "engineData" | "pendingUnlinks" | "outgoing" | "cluster" | "profiles">;
  readonly engines: ReadonlyMap<Engine_Kind, EngineFactory>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly policy: Omit<SessionPolicy, "jitter">;
  /** Called for every event of every session, whatever the session's configuration. */
  readonly globalWebhook: WebhookConfig | undefined;
  /** The proxies of sessions that configure none. */
  readonly proxies: ProxyPool;
  /** Limits how many engines connect at the same time; left out: no limit. */
  readonly gate?: ConnectGate | undefined;
  /** Messages that each session may send per second; left out: no limit. */
  readonly sendRate?: Rate | undefined;
  /** Files of messages that sessions send; left out: they send none. */
  readonly files?: OutgoingFiles | undefined;
  /** The chats that sessions without a choice of their own ignore; left out: none. */
  readonly ignore?: IgnoredChats | undefined;
  /** Gives messages the URLs of their files; left out: they have none. */
  readonly fileLinks?: FileLinks | undefined;
  /** The scope in which engines are opened. */
  readonly scope?: SessionScope | undefined;
  /** Called after each write of a session's record. */
  readonly onChange?: (record: SessionRecord) => void;
  /** Called after a session's login was set aside under this id. */
  readonly onSetAside?: (id: string) => Promise<void>;
}

/**
 * Removes the data that engines of the session have outside of the store; none may be open. Idempotent. Called before the record is
 * removed: as long as that exists, the next process finishes an interrupted removal.
 */
export const discardOutside = async ({ engines }: RunnerDeps, { engine, name }: SessionRecord): Promise<void> =>
  engines.get(engine)?.files?.discard(name);

/** Returns true if the session's engine has files on this machine, or is about to make them. */
export const isBound = ({ engines }: Pick<RunnerDeps, "engines">, { engine, phase, me }: SessionRecord): boolean =>
  engines.get(engine)?.files !== undefined && (phase !== Phase.STOPPED || me !== undefined);

/** Returns true if the files of a session can go to another node, which makes use of them at once. A stopped session stays with them. */
export const canPack = ({ engines, backend }: RunnerDeps, { engine, phase }: SessionRecord): boolean =>
  backend.profiles !== undefined && engines.get(engine)?.files?.pack !== undefined && phase !== Phase.STOPPED;

/** Archives the files of a session for another node. No engine may be open. Rejects if they cannot be archived. */
export async function packFiles(
  { engines, backend }: RunnerDeps,
  lease: Lease,
  { engine }: SessionRecord,
): Promise<void> {
  const archive = backend.profiles?.archive(lease);
  const credentials = backend.engineData.credentials(lease);
  if (archive) await engines.get(engine)?.files?.pack?.(lease.session, credentials, archive);
}
