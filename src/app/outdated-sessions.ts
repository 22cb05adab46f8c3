import type { SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import type { Engine_Kind } from "../../gen/sessiond/v1/session_pb.js";
import { canUseVersion, type SessionInput } from "../domain/session.ts";
import type { ClientVersions } from "../ports/client-versions.ts";
import type { EngineFactory } from "../ports/engine.ts";

/** Input that retries sessions with the client version that their engines use now. */
export type VersionChange = Extract<SessionInput, { type: "client_version_changed" }>;

/** Restarts the sessions that WhatsApp refused for their client version, once their engines use another version. */
export class OutdatedSessions {
  readonly #engines: ReadonlyMap<Engine_Kind, EngineFactory>;
  readonly #retry: (change: VersionChange, session?: string) => void;

  /** `retry` applies the input to the named session, or to all sessions. It must not throw. */
  constructor(
    engines: ReadonlyMap<Engine_Kind, EngineFactory>,
    retry: (change: VersionChange, session?: string) => void,
  ) {
    this.#engines = engines;
    this.#retry = retry;
    for (const [engine, { clientVersions }] of engines) {
      clientVersions?.onChange((version) => retry({ type: "client_version_changed", engine, version }));
    }
  }

  /** Returns the client version of a session's engine, if it has one. */
  versionFor({ engine }: SessionRecord): string | undefined {
    return this.#versions(engine)?.current;
  }

  /**
   * Reports that a session was loaded or has changed. A session refused for an already replaced version is retried at
   * once.
   */
  note(record: SessionRecord): void {
    const { name, engine, refusedClientVersion } = record;
    if (refusedClientVersion === "") return;
    const versions = this.#versions(engine);
    versions?.refused(refusedClientVersion);
    if (!versions || !canUseVersion(record, versions.current)) return;
    this.#retry({ type: "client_version_changed", engine, version: versions.current }, name);
  }

  #versions(engine: Engine_Kind): ClientVersions | undefined {
    return this.#engines.get(engine)?.clientVersions;
  }
}
