import { create } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { OutgoingMessage } from "../../gen/sessiond/store/v1/store_pb.js";
import { SessionConfigSchema } from "../../gen/sessiond/v1/session_pb.js";
import { proxyFor } from "../domain/proxy.ts";
import type { StoredSession } from "../domain/session.ts";
import type { Engine, EngineFactory } from "../ports/engine.ts";
import type { Lease } from "../ports/sessions.ts";
import type { Logger } from "../ports/system.ts";
import type { RunnerDeps } from "./runner-deps.ts";

/** The session that an engine is opened for. */
export interface Opening {
  readonly lease: Lease;
  readonly session: StoredSession;
  readonly logger: Logger;
  /** Returns a message that the session has sent or is to send. */
  findOutgoing(id: string): Promise<OutgoingMessage | undefined>;
}

/** Opens an engine for a session with its stored options. Throws if the factory does. */
export function openEngine(
  factory: EngineFactory,
  { backend, clock, proxies, scope }: RunnerDeps,
  { lease, session: { record, messages }, logger, findOutgoing }: Opening,
): Engine {
  const { name, config = create(SessionConfigSchema), openedAt } = record;
  const { newestAt, since = openedAt } = messages;
  const proxy = config.proxy ?? proxyFor(name, proxies);
  const sinceMs = since && clock.wallMsAt(timestampMs(since));
  const open = () =>
    factory.open({
      session: name,
      config: proxy ? { ...config, proxy } : config,
      credentials: backend.engineData.credentials(lease),
      chats: backend.engineData.chats(lease),
      logger: config.debug ? logger.child({}, "debug") : logger,
      reportedUntilMs: newestAt ? timestampMs(newestAt) : sinceMs,
      standing: backend.cluster?.standing,
      archive: backend.profiles?.archive(lease),
      sentMessage: async (id) => {
        const sent = await findOutgoing(id);
        return sent && sent.jid !== "" ? { jid: sent.jid, encoded: sent.encoded } : undefined;
      },
      isOutgoing: async (id) => (await findOutgoing(id)) !== undefined,
    });
  return scope ? scope(name, open) : open();
}
