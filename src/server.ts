import { resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import packageJson from "../package.json" with { type: "json" };
import { chooseDirectory } from "./adapters/level/store/data-directory.ts";
import { startRestRelief } from "./adapters/node/memory.ts";
import { currentGauges } from "./app/metrics.ts";
import type { Config, Secrets } from "./config/config.ts";
import { accessRulesOf } from "./server/access-rules.ts";
import { createApi } from "./server/api.ts";
import { openApiKey } from "./server/api-key.ts";
import { createDashboardLogins } from "./server/dashboard-logins.ts";
import { createEngines } from "./server/engines.ts";
import { baseUrlOf, createListener, nodeAddressOf } from "./server/listener.ts";
import { createMedia } from "./server/media.ts";
import { openMetrics } from "./server/metrics.ts";
import { createAccess, createNodes } from "./server/nodes.ts";
import { createTools, type Overrides } from "./server/overrides.ts";
import { handleProcessFailures } from "./server/process-failures.ts";
import { createSessions, startQrPrinter } from "./server/sessions.ts";
import { openStore } from "./server/store.ts";
import { createWatchdog } from "./server/watchdog.ts";
import { createWebhooks, startRetention } from "./server/webhooks.ts";

export type { Overrides } from "./server/overrides.ts";

/** A server that listens. */
export interface RunningServer {
  /** The base URL that clients use. */
  readonly url: string;
  /** Stops everything, in the reverse order of the start. Idempotent. */
  stop(): Promise<void>;
}

/** How long calls, streams and webhooks in flight may take to finish once the server stops. */
const stopGraceMs = 3_000;

/** Time for the other nodes to hear of the last sessions that are handed over, while their streams are open. */
const newsGraceMs = 100;

/**
 * Builds a server and listens. Rejects with ConfigError or DirectoryUnusable if something of it cannot be had; whatever was opened by
 * then is closed again.
 */
export async function createServer(
  config: Config,
  secrets: Secrets,
  overrides: Overrides = {},
): Promise<RunningServer> {
  const rules = accessRulesOf(config, secrets);
  const tools = createTools(config, overrides);
  const { clock, logger } = tools;
  for (const { variable, message } of config.warnings) logger.warn({ variable }, `${variable} ${message}`);
  await using stack = new AsyncDisposableStack();
  const watchdog = createWatchdog(config);
  stack.defer(() => watchdog.stop());
  let ignoreFailures = () => {};
  stack.defer(() => ignoreFailures());

  const directory = await chooseDirectory(resolve(config.baseDirectory), config.formerBaseDirectory, logger);
  const store = await openStore(directory, config, secrets, tools, overrides);
  const { backend } = store;
  stack.defer(() => backend.upkeep.close());
  const accessKey = await openApiKey(directory, config, secrets, logger, backend.cluster);

  const engines = await createEngines(directory, config, tools, overrides, watchdog, rules);
  stack.defer(() => engines.close());
  let baseUrl = baseUrlOf(config, secrets);
  const nodes = createNodes(backend, secrets);
  stack.defer(() => nodes?.peers.close());
  const media = createMedia(directory, config, () => baseUrl, engines, rules, nodes, tools);
  stack.defer(() => media.close());
  await media.clean(backend);
  const sessions = createSessions(backend, engines, media, config, secrets, tools);
  const { manager } = sessions;
  ignoreFailures = handleProcessFailures(overrides.processEvents ?? process, manager, logger);
  stack.defer(() => manager.close());
  const metrics = await openMetrics(config, () => currentGauges(backend, manager, clock.wallMs()));
  const webhooks = await createWebhooks(store, rules, engines, metrics, tools);
  stack.defer(() => webhooks.stop(stopGraceMs));

  const access = createAccess(nodes, accessKey?.setting, secrets, tools);
  const verifyKey = accessKey?.verify;
  const own = createApi(config, secrets, { store, engines, sessions, media, metrics, verifyKey, nodes, access }, tools);
  const api = { ...own, ...(overrides.routes && { routes: overrides.routes }) };
  const logins = createDashboardLogins(config, secrets, { verifyKey, logins: own.logins }, tools);
  const listener = createListener(config, secrets, rules, api, metrics, logger, { logins, nodes });
  webhooks.start();
  stack.defer(startRetention(store, config, tools));
  await sessions.pairingLinks.load();
  await manager.boot();
  stack.defer(() => listener.close(stopGraceMs));
  const { url, address, port } = await listener.listen();
  baseUrl = url;
  stack.defer(access.followNews());
  const facts = { url, address, port, store: store.place, engine: config.defaultEngine, version: packageJson.version };
  await backend.cluster?.announce(nodeAddressOf(config, secrets, port));
  logger.info(facts, "listening");
  if (config.printQr) stack.defer(startQrPrinter(backend));
  stack.defer(startRestRelief());

  const opened = stack.move();
  let stopped: Promise<void> | undefined;
  /** Gives the sessions to other nodes, while this one still answers calls. */
  const leaveCluster = async () => {
    if (!backend.cluster) return;
    api.serving.drain();
    await manager.drain(config.drain).catch((error: unknown) => logger.error({ err: error }, "drain failed"));
    await delay(newsGraceMs);
  };
  const stop = async () => {
    logger.info({}, "stopping");
    await leaveCluster();
    // Webhooks stop beside the listener, so that both have the same grace period.
    await Promise.all([opened.disposeAsync(), webhooks.stop(stopGraceMs)]);
    logger.info({}, "stopped");
  };
  return { url, stop: () => (stopped ??= stop()) };
}
