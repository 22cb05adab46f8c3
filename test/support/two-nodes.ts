import type { TestContext } from "node:test";
import { Engine_Kind, type Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import { openMemoryBackend } from "../../src/adapters/memory/backend.ts";
import { systemClock } from "../../src/adapters/node/system.ts";
import { statusOf } from "../../src/domain/session.ts";
import type { EngineFactory } from "../../src/ports/engine.ts";
import type { Logger } from "../../src/ports/system.ts";
import type { Overrides, RunningServer } from "../../src/server.ts";
import { ScriptedEngine } from "../api/harness.ts";
import { NodeTable } from "./node-table.ts";
import { silentLogger, startServer } from "./server.ts";

/** Two nodes, "a" and "b", in this process, on one store. */
export interface TwoNodes {
  readonly table: NodeTable;
  readonly a: TestNode;
  readonly b: TestNode;
  /** Starts a further node. */
  join(name: string): Promise<TestNode>;
}

/** A node with engines that a test commands. */
export interface TestNode {
  readonly name: string;
  readonly server: RunningServer;
  readonly url: string;
  /** Lines that it has logged for calls. */
  readonly calls: readonly { readonly method: string; readonly forwarded: boolean }[];
  /** Returns the engine opened last. */
  engine(): ScriptedEngine;
  /** Resolves when a session has a status. */
  until(session: string, status: Status): Promise<void>;
}

/** Options for two nodes. */
export interface TwoNodesOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Owners in which node "a" believes, whatever the table says. */
  readonly stale?: ReadonlyMap<string, string>;
  /** Draws codes; else they are drawn as for users. */
  readonly drawQr?: NonNullable<Overrides["drawQr"]>;
}

/** Starts two nodes, and stops them with the test. */
export async function startTwoNodes(
  t: TestContext,
  { env = {}, stale, drawQr }: TwoNodesOptions = {},
): Promise<TwoNodes> {
  const backend = openMemoryBackend({ clock: systemClock });
  const table = new NodeTable(backend);
  t.after(() => backend.upkeep.close());
  const join = async (name: string): Promise<TestNode> => {
    const opened: ScriptedEngine[] = [];
    const engines = [Engine_Kind.NOWEB, Engine_Kind.WEBJS].map(
      (kind): EngineFactory => ({
        kind,
        abilities:
          kind === Engine_Kind.WEBJS ? ["pairingCodes", "screenshots"] : ["pairingCodes", "sending", "messageFiles"],
        open() {
          const engine = new ScriptedEngine();
          opened.push(engine);
          return engine;
        },
        hasLogin: async () => true,
      }),
    );
    const calls: { method: string; forwarded: boolean }[] = [];
    const server = await startServer(
      t,
      { SESSIOND_CONNECTS_PER_SECOND: "10000", ...env },
      {
        backend: table.backendOf(name, name === "a" ? stale : undefined),
        engines,
        clock: systemClock,
        logger: callLogger(calls),
        ...(drawQr && { drawQr }),
      },
    );
    table.enter(name, server.url);
    const until = async (session: string, status: Status) => {
      for await (const { record } of backend.sessions.watch(session, AbortSignal.timeout(5_000))) {
        if (record && statusOf(record) === status) return;
      }
      throw new Error(`session ${session} did not come to status ${status}`);
    };
    const engine = () => {
      const last = opened.at(-1);
      if (!last) throw new Error("no engine was opened");
      return last;
    };
    return { name, server, url: server.url, calls, engine, until };
  };
  return { table, a: await join("a"), b: await join("b"), join };
}

function callLogger(calls: { method: string; forwarded: boolean }[], forwarded = false): Logger {
  return {
    ...silentLogger,
    debug(fields, message) {
      if (message === "call" && "method" in fields) calls.push({ method: String(fields.method), forwarded });
    },
    child: (fields) => callLogger(calls, "forwarded" in fields),
  };
}
