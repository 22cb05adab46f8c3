import { Engine_Kind } from "../../gen/sessiond/v1/session_pb.js";
import { hashSecret } from "../adapters/node/secret-hash.ts";
import { sessionScope } from "../adapters/node/session-scope.ts";
import { drawQrText } from "../adapters/qrcode/draw.ts";
import { ConnectGate } from "../app/connect-gate.ts";
import { PairingLinks } from "../app/pairing-links.ts";
import { printQrs } from "../app/qr-printer.ts";
import { Reconnects, type Storm } from "../app/reconnects.ts";
import { SessionManager } from "../app/session-manager.ts";
import type { Config, Secrets } from "../config/config.ts";
import { defaultPolicy } from "../domain/session.ts";
import type { Backend } from "../ports/backend.ts";
import type { Engines } from "./engines.ts";
import type { Media } from "./media.ts";
import type { Tools } from "./overrides.ts";

/** All sessions, and facts about their connections. */
export interface RunningSessions {
  readonly manager: SessionManager;
  readonly pairingLinks: PairingLinks;
  /** Sessions that reconnect again and again, most first. */
  storms(): readonly Storm[];
  /** Number of sessions that wait for a slot to connect. */
  connectQueue(): number;
}

/** Creates the manager of all sessions. None starts before its `boot`. */
export function createSessions(
  backend: Backend,
  engines: Engines,
  { files, links: fileLinks }: Pick<Media, "files" | "links">,
  config: Config,
  { proxies, globalWebhook }: Secrets,
  { clock, random, logger }: Tools,
): RunningSessions {
  const gate = new ConnectGate(clock, config.connects, backend.cluster?.standing);
  const reconnects = new Reconnects(clock);
  const pairingLinks = new PairingLinks({
    sessions: backend.sessions,
    manager: () => manager,
    clock,
    random,
    hash: hashSecret,
  });
  const manager = new SessionManager({
    backend,
    engines: new Map(engines.factories.map((factory) => [factory.kind, factory])),
    clock,
    random,
    logger,
    policy: defaultPolicy,
    defaultEngine: Engine_Kind[config.defaultEngine],
    proxies,
    globalWebhook,
    restart: config.restart,
    names: config.startSessions,
    bootDelayMs: config.autoStartDelayMs,
    gate,
    sendRate: config.sendRate,
    files,
    ignore: config.ignore,
    fileLinks,
    scope: sessionScope,
    onChange(record) {
      reconnects.note(record);
      pairingLinks.note(record);
    },
  });
  return { manager, pairingLinks, storms: () => reconnects.storms(), connectQueue: () => gate.waiting };
}

/** Prints QR codes to the console. Returns the function that stops it. */
export function startQrPrinter(backend: Backend): () => Promise<void> {
  const stopping = new AbortController();
  const printed = printQrs(backend, printQr, stopping.signal);
  return () => {
    stopping.abort();
    return printed;
  };
}

async function printQr(session: string, value: string): Promise<void> {
  console.log(`\nScan with WhatsApp to pair session '${session}':\n${await drawQrText(value)}`);
}
