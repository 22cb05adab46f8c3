import { create } from "@bufbuild/protobuf";
import type { SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import {
  Session_DesiredState as Desired,
  Engine_Kind,
  type SessionConfig,
  SessionConfigSchema,
  Session_Status as Status,
} from "../../gen/sessiond/v1/session_pb.js";
import { restoreSecrets } from "../domain/config.ts";
import { SessionError } from "../domain/errors.ts";
import { type CloseCause, type SessionInput, statusOf } from "../domain/session.ts";
import type { FormerLogins } from "../ports/engine.ts";
import type { RunnerDeps } from "./runner-deps.ts";

type Engines = Pick<RunnerDeps, "engines">;

/** An input, or a function that makes one from the record once all earlier commands are done. It rejects to refuse. */
export type SessionCommand = SessionInput | ((record: SessionRecord) => SessionInput | Promise<SessionInput>);

/** Refused where it would need an engine that cannot be opened on this machine. */
export const startCommand =
  (deps: Engines): SessionCommand =>
  async (record) => {
    const status = statusOf(record);
    if (status === Status.STOPPED || status === Status.FAILED) await requireEngine(deps, record.engine);
    return { type: "start" };
  };

/** Refused where the engine that is to follow cannot be opened on this machine. */
export const restartCommand =
  (deps: Engines): SessionCommand =>
  async ({ engine }) => {
    await requireEngine(deps, engine);
    return { type: "restart" };
  };

/** Configures a session. Where the configuration says "***", the stored value stays. Refused like a restart if it leads to one. */
export const configureCommand =
  (deps: Engines, config: SessionConfig | undefined, expectedRevision: number | undefined): SessionCommand =>
  async (record) => {
    checkRevision(record, expectedRevision);
    if (record.desiredState === Desired.RUNNING) await requireEngine(deps, record.engine);
    return { type: "configure", config: restoreSecrets(config ?? create(SessionConfigSchema), record.config) };
  };

export const deleteCommand =
  (expectedRevision: number | undefined): SessionCommand =>
  (record) => {
    checkRevision(record, expectedRevision);
    return { type: "delete" };
  };

/** Throws ENGINE_UNAVAILABLE if no engine of this kind can be opened. */
export async function requireEngine({ engines }: Engines, kind: Engine_Kind): Promise<void> {
  const factory = engines.get(kind);
  const obstacle = factory ? await factory.obstacle?.() : "it is no part of it";
  if (obstacle === undefined) return;
  const engine = Engine_Kind[kind] ?? "";
  const message = `The engine ${engine} is not available on this server: ${obstacle}`;
  throw new SessionError("ENGINE_UNAVAILABLE", message, { engine });
}

/** Returns the former logins of engines of this kind. Throws where these engines have none. */
export function formerLoginsOf({ engines }: Engines, kind: Engine_Kind): FormerLogins {
  const formerLogins = engines.get(kind)?.formerLogins;
  if (formerLogins) return formerLogins;
  const engine = Engine_Kind[kind] ?? "";
  const message = `The engine ${engine} keeps no former login that could be restored.`;
  throw new SessionError("METHOD_NOT_SUPPORTED", message, { engine });
}

/** The end of an engine that does not report it itself. */
export const closedBy = (cause: CloseCause, message: string) => ({ type: "closed", cause, message }) as const;

function checkRevision({ name, revision }: SessionRecord, expected: number | undefined): void {
  if (expected === undefined || expected === revision) return;
  throw new SessionError(
    "REVISION_CONFLICT",
    `Session '${name}' has changed: its revision is ${revision}, not ${expected}`,
    { session: name, revision: String(revision) },
  );
}
