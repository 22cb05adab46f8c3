import type { SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import type { Engine_Kind } from "../../gen/sessiond/v1/session_pb.js";
import { canUseVersion, type SessionInput } from "../domain/session.ts";
import type { ClientVersions } from "../ports/client-versions.ts";
import type { EngineFactory } from "../ports/engine.ts";

/** The input that tries sessions again with the client version their engines use now. */
export type VersionChange = Extract<SessionInput, { type: "client_version_changed" }>;

/** Brings back the sessions that WhatsApp refused for their client version, once their engines use another one. */
export class OutdatedSessions {
  readonly #engines: ReadonlyMap<Engine_Kind, EngineFactory>;
  readonly #retry: (change: VersionChange, session?: string) => void;

  /** `retry` applies the input to a session, or to all if none is named; must not throw. */
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

  /** The client version of a session's engines, if they have one. */
  versionFor({ engine }: SessionRecord): string | undefined {
    return this.#versions(engine)?.current;
  }

  /** A session was loaded or has changed. One that was refused after the version had changed already is tried again at once. */
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
