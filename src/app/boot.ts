import { SessionRecord_Phase as Phase, type SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import { Session_DesiredState as Desired } from "../../gen/sessiond/v1/session_pb.js";
import { isNotFound } from "../domain/errors.ts";
import type { Logger } from "../ports/system.ts";
import type { BootReport } from "./boot-report.ts";

/** Which sessions come back when the server starts. */
export interface BootChoice {
  /** Sessions of an earlier process that start again: those that should run, all, or none. */
  readonly restart: "wanted" | "all" | "none";
  /** Sessions to start in any case, created if there are none. */
  readonly names: readonly string[];
}

/** How a session is brought back. */
export interface BootActions {
  /** Loads a session, and starts it if it is asked for. */
  restore(name: string, start: boolean): Promise<SessionRecord>;
  /** Creates a session and starts it. */
  create(name: string): Promise<unknown>;
}

/** The sessions to bring back, as found in the store. */
export interface BootPlan {
  /** Names of the sessions that should run, each with its number of failed attempts. */
  readonly expected: readonly (readonly [string, number])[];
  /** Brings them back. Resolves when all are asked to start; never rejects. */
  run(actions: BootActions, report: BootReport, logger: Logger): Promise<void>;
}

/** The sessions that a node of a cluster starts, whether or not it is given them. */
export interface ForcedStarts {
  /** Names of stopped sessions. */
  readonly stopped: readonly string[];
  /** Names of sessions to create. */
  readonly missing: readonly string[];
}

/** Returns the sessions that a node of a cluster starts itself. Those that should run already come to the nodes by their placement. */
export function forcedStarts(records: readonly SessionRecord[], { restart, names }: BootChoice): ForcedStarts {
  const known = new Set(records.map((record) => record.name));
  const isForced = ({ name, phase, desiredState }: SessionRecord) =>
    (restart === "all" || names.includes(name)) && desiredState !== Desired.RUNNING && phase !== Phase.DELETING;
  return {
    stopped: records.filter(isForced).map(({ name }) => name),
    missing: names.filter((name) => !known.has(name)),
  };
}

/** Plans the steps that bring the sessions to their desired state. */
export function planBoot(records: readonly SessionRecord[], { restart, names }: BootChoice): BootPlan {
  const known = new Set(records.map((record) => record.name));
  const isAsked = (name: string) => restart === "all" || names.includes(name);
  const isWanted = ({ name, desiredState }: SessionRecord) =>
    isAsked(name) || (restart === "wanted" && desiredState === Desired.RUNNING);
  const isDeleting = ({ phase }: SessionRecord) => phase === Phase.DELETING;
  // One with nothing to mend takes no memory until a caller asks for it.
  const isAtRest = (record: SessionRecord) =>
    !isWanted(record) && record.desiredState === Desired.STOPPED && record.phase === Phase.STOPPED;
  const missing = names.filter((name) => !known.has(name));
  return {
    expected: [
      ...records
        .filter((record) => isWanted(record) && !isDeleting(record))
        .map(({ name, attempt }) => [name, attempt] as const),
      ...missing.map((name) => [name, 0] as const),
    ],
    async run({ restore, create }, report, logger) {
      const boot = async (name: string, start: () => Promise<unknown>) => {
        await start().catch((error: unknown) => {
          // Its deletion is finished now.
          if (isNotFound(error)) return;
          logger.error({ err: error, session: name }, "a session could not be restored");
          report.lost(name, error);
        });
      };
      await Promise.all([
        ...records
          .filter((record) => !isAtRest(record))
          .map(({ name }) => boot(name, async () => report.note(await restore(name, isAsked(name))))),
        ...missing.map((name) => boot(name, () => create(name))),
      ]);
    },
  };
}
