import "./config/process-environment.ts";
import { readFile } from "node:fs/promises";
import inspector from "node:inspector";
import { dirname, resolve } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createRouterTransport } from "@connectrpc/connect";
import { Health } from "../gen/health/v1/health_pb.js";
import openApiDocument from "../gen/openapi.json" with { type: "json" };
import { AuthService } from "../gen/sessiond/v1/auth_service_pb.js";
import { EventService } from "../gen/sessiond/v1/event_service_pb.js";
import { ServerService } from "../gen/sessiond/v1/server_service_pb.js";
import { Engine_Kind } from "../gen/sessiond/v1/session_pb.js";
import { SessionService } from "../gen/sessiond/v1/session_service_pb.js";
import { StoreService } from "../gen/sessiond/v1/store_service_pb.js";
import { WebhookService } from "../gen/sessiond/v1/webhook_service_pb.js";
import packageJson from "../package.json" with { type: "json" };
import { createBaileysFactory } from "./adapters/baileys/factory.ts";
import { NowebVersions } from "./adapters/baileys/noweb-versions.ts";
import { ProcessTickets } from "./adapters/embedded/process-tickets.ts";
import { openLevelBackend } from "./adapters/level/backend.ts";
import { explained, prepareDirectory, presentDirectory, syncDirectory } from "./adapters/level/store/data-directory.ts";
import { keptKey, keyVerifier } from "./adapters/node/api-key.ts";
import { processMemory } from "./adapters/node/memory.ts";
import { currentSession, sessionScope } from "./adapters/node/session-scope.ts";
import { nodeSigner } from "./adapters/node/signer.ts";
import { systemClock as clock, systemRandom as random } from "./adapters/node/system.ts";
import { watchEventLoop } from "./adapters/node/watchdog.ts";
import { createLogger } from "./adapters/pino/logger.ts";
import { createMetrics } from "./adapters/prometheus/metrics.ts";
import { drawQr, drawQrText } from "./adapters/qrcode/draw.ts";
import { createSealer } from "./adapters/seal/aes-gcm.ts";
import { allowListOf } from "./adapters/undici/address.ts";
import { proxyRules } from "./adapters/undici/proxy-rules.ts";
import { createWebhookSender } from "./adapters/undici/webhook.ts";
import { createWwebjsFactory } from "./adapters/wwebjs/factory.ts";
import { authentication } from "./api/authentication.ts";
import { connectErrorOf } from "./api/errors.ts";
import { ServingState } from "./api/health-service.ts";
import { createRoutes } from "./api/routes.ts";
import { defaultStreamPolicy } from "./api/streams/live-stream.ts";
import { violationsOf } from "./api/validation.ts";
import { Warnings } from "./api/warnings.ts";
import { ConnectGate } from "./app/connect-gate.ts";
import { currentGauges } from "./app/metrics.ts";
import { printQrs } from "./app/qr-printer.ts";
import { keepRetention } from "./app/retention-keeper.ts";
import { SessionManager } from "./app/session-manager.ts";
import { WebhookDispatcher } from "./app/webhook-dispatcher.ts";
import { WebhookLog } from "./app/webhook-log.ts";
import { restore } from "./commands/restore.ts";
import { urlOf } from "./config/address.ts";
import { type Config, ConfigError, readConfig, type Secrets } from "./config/config.ts";
import { eventsThatNeverFire } from "./domain/config-violations.ts";
import { shuttingDown } from "./domain/errors.ts";
import { defaultPolicy } from "./domain/session.ts";
import { createMetricsRoute } from "./http/metrics-route.ts";
import { rpcsAt } from "./http/rest/rpcs-at.ts";
import { createRest } from "./http/rest/transcoder.ts";
import { corsFor } from "./http/server/cors.ts";
import { createHandler } from "./http/server/handler.ts";
import { createHostGuard } from "./http/server/host-guard.ts";
import { measureRequests } from "./http/server/measure-requests.ts";
import { createServer } from "./http/server/server.ts";
import { createDocsRoutes } from "./http/static-files/docs.ts";
import type { Logger } from "./ports/system.ts";

const { version } = packageJson;
const assetDirectory = dirname(fileURLToPath(import.meta.resolve("swagger-ui-dist/package.json")));
/** How long streams, calls and webhooks under way may take to end once the server stops. */
const stopGraceMs = 3_000;

type Settings = Awaited<ReturnType<typeof readConfig>>;

/** Builds the server, listens, and returns the call that stops it again, in reverse. Rejects if anything of it cannot be had. */
async function serve(settings: Settings): Promise<() => Promise<void>> {
  const { config, secrets } = settings;
  const { cors, guard } = callersOf(config);
  const logger = createLogger({ level: config.logLevel, format: config.logFormat });
  const sender = createWebhookSender({
    clock,
    proxies: webhookProxies(secrets),
    ...(config.webhooks.guard && { guard: { allow: allowed(config) } }),
  });
  for (const { variable, message } of settings.warnings) logger.warn({ variable }, `${variable} ${message}`);
  const unwatch = watched(config);

  const directory = await presentDirectory(resolve(config.baseDirectory), config.formerBaseDirectory, logger);
  await prepareDirectory(directory);
  const { backend, keySetting } = await openStore(directory, settings, logger).catch((error: unknown) => {
    throw explained(directory, error);
  });
  // Opening the store may have moved the clock on.
  const startedAtMs = clock.nowMs();

  const { nowebVersionUrl } = config;
  const versions = await NowebVersions.open({
    setting: config.nowebVersion,
    url: nowebVersionUrl,
    // Another place in WhatsApp's stead has versions of its own.
    unasked: config.nowebUrl === undefined || nowebVersionUrl !== undefined,
    file: `${directory}/noweb-version.json`,
    clock,
    logger,
  });
  const noweb = createBaileysFactory({
    clock,
    versions,
    waWebSocketUrl: config.nowebUrl,
    fastCurve: config.nowebFastCurve,
    deviceName: config.deviceName,
    browserName: config.browserName,
  });
  const webjs = createWwebjsFactory({
    clock,
    profilesDirectory: `${directory}/webjs`,
    chromePath: config.chromePath,
    searchPath: config.searchPath,
    extraArgs: config.chromeArgs,
    deviceName: config.deviceName,
    browserName: config.browserName,
  });
  const manager = new SessionManager({
    backend,
    engines: new Map([noweb, webjs].map((factory) => [factory.kind, factory])),
    clock,
    random,
    logger,
    policy: defaultPolicy,
    defaultEngine: Engine_Kind[config.defaultEngine],
    proxies: secrets.proxies,
    globalWebhook: secrets.globalWebhook,
    restart: config.restart,
    names: config.startSessions,
    bootDelayMs: config.autoStartDelayMs,
    gate: new ConnectGate(clock, config.connects),
    scope: sessionScope,
  });
  // An engine's library may throw where nobody can catch it: its session suffers, the others must not.
  process.on("uncaughtException", (error) => {
    const session = currentSession();
    logger.error({ err: error, session }, "uncaught exception");
    if (session !== undefined) void manager.crashed(session);
  });
  process.on("unhandledRejection", (error) =>
    logger.error({ err: error, session: currentSession() }, "unhandled rejection"),
  );
  const metrics = createMetrics(() => currentGauges(backend, manager, clock.wallMs()));
  const environment = { version, tier: "PLUS", browser: (await webjs.browser()) ?? null };
  const dispatching = { outbox: backend.outbox, sender, clock, random, logger, metrics };
  const dispatcher = new WebhookDispatcher({ ...dispatching, signer: nodeSigner, environment });

  const shutdown = new AbortController();
  const services = [SessionService, AuthService, EventService, WebhookService, ServerService, StoreService];
  const open = rpcsAt(services, config.openPaths);
  for (const path of open.unknown) logger.warn({ path }, "WAHA_API_KEY_EXCLUDE_PATH has a path that is none of REST's");
  const verifyKey = keySetting === undefined ? undefined : keyVerifier(keySetting);
  const checkStore = () => backend.upkeep.check();
  const tickets = new ProcessTickets({ clock, random });
  const keyOfTicket = (ticket: string) => tickets.keyOf(ticket);
  // Probes have no key.
  const keyless = [...open.rpcs, ...Health.methods];
  const admits = authentication({ verifyKey, open: keyless, keyOfTicket, logger });
  const warnings = new Warnings(logger);
  const hooks = [secrets.globalWebhook].filter((hook) => hook !== undefined);
  for (const { event } of eventsThatNeverFire({ webhooks: hooks })) {
    warnings.log(`event ${event} of WHATSAPP_HOOK_EVENTS never fires here`);
  }
  const serving = new ServingState({ clock, checkStore });
  const routes = createRoutes({
    manager,
    sessions: backend.sessions,
    log: backend.log,
    webhookLog: new WebhookLog({ backend, clock, random }),
    metrics,
    admits,
    warnings,
    drawQr,
    clock,
    logger,
    showSecrets: config.showSecrets,
    version,
    engine: config.defaultEngine,
    browser: webjs.browser,
    workerId: config.workerId,
    pendingUnlinks: () => manager.pendingUnlinks,
    startedAtMs,
    checkStore,
    backUp: (wallMs) =>
      backend.backups.write(`${directory}/backups/${new Date(wallMs).toISOString().replaceAll(":", "-")}`),
    tickets,
    serving,
    streamPolicy: { ...defaultStreamPolicy, ...config.streams },
    maxStreams: config.maxStreams,
    memory: processMemory,
    reflection: config.reflection,
  });
  const router = { shutdownSignal: shutdown.signal };
  const rest = createRest({
    services,
    admits,
    transport: createRouterTransport(routes, { router }),
    validate: violationsOf,
    strict: config.strictMode,
    maxBodyBytes: config.maxBodyBytes,
    heartbeatMs: config.streams.heartbeatMs,
    extra: [
      ...(config.docs
        ? createDocsRoutes({
            document: openApiDocument,
            services: [...services, Health],
            assetDirectory,
            login: secrets.docsLogin,
          })
        : []),
      ...(config.metrics ? [createMetricsRoute(metrics.render, (header) => admits(undefined, header))] : []),
    ],
    onError: (error) => logger.error({ err: error }, "request failed"),
  });
  const handler = createHandler({
    routes,
    rest,
    guard,
    shutdownSignal: shutdown.signal,
    cors,
  });
  const server = createServer({
    host: config.host,
    port: config.port,
    tls: secrets.tls,
    limits: {
      maxConcurrentStreams: config.maxStreamsPerConnection,
      keepAliveTimeoutMs: config.keepAlive.http1Ms,
      idleSessionTimeoutMs: config.keepAlive.http2Ms,
      pingIntervalMs: config.keepAlive.pingMs,
    },
    handler: measureRequests(handler, metrics.answered),
  });

  dispatcher.start();
  const keeping = new AbortController();
  const kept = keepRetention(
    {
      upkeep: backend.upkeep,
      retention: config.webhooks.retention,
      clock,
      logger,
      lastWrittenMs: backend.lastWrittenMs,
    },
    keeping.signal,
  );
  await manager.boot();
  const { address, port } = await server.listen();
  const url = urlOf(secrets.tls ? "https" : "http", config.publicHost ?? address, port);
  logger.info({ url, address, port, store: directory, engine: config.defaultEngine, version }, "listening");
  const printing = config.printQr ? printQrs(backend, printQr, shutdown.signal) : undefined;

  return async () => {
    logger.info({}, "stopping");
    serving.drain();
    // A turn later, so that who watches health knows before connections are told to go away.
    await nextTurn();
    const closed = server.close(stopGraceMs);
    const dispatched = dispatcher.stop(stopGraceMs);
    // After that, so that no client opens its streams here again.
    await nextTurn();
    shutdown.abort(connectErrorOf(shuttingDown()));
    await closed;
    await printing;
    keeping.abort();
    await dispatched;
    await sender.close();
    versions.close();
    await manager.close();
    await kept;
    await backend.upkeep.close();
    await unwatch();
    logger.info({}, "stopped");
  };
}

/** Opens what lies in the data directory: the store, and the key where the server makes its own. */
async function openStore(directory: string, { config, secrets }: Settings, logger: Logger) {
  const backend = await openLevelBackend({
    directory: `${directory}/store`,
    clock,
    logger,
    sealer: secrets.sealKeys && createSealer(secrets.sealKeys.current, secrets.sealKeys.previous),
    adopt: config.adoptStore,
    program: { version },
  });
  const ownKeyWanted = config.access === "generated_key";
  return { backend, keySetting: ownKeyWanted ? await ownKey(directory, logger) : secrets.apiKey };
}

/** Has the event loop watched, unless nobody wants it or somebody holds it up with a debugger. */
function watched({ blockedLimitMs: killAfterMs, logFormat: format }: Config): () => Promise<void> {
  if (killAfterMs === 0 || inspector.url() !== undefined) return async () => {};
  return watchEventLoop({ format, warnAfterMs: Math.min(2_000, killAfterMs / 2), killAfterMs });
}

/** The key that the server has made itself, as `keyVerifier` takes it. On the console and not in the log, since it is a secret. */
async function ownKey(directory: string, logger: Logger): Promise<string> {
  const path = `${directory}/api-key.sha512`;
  const show = (key: string) =>
    print(`
No WAHA_API_KEY is set, and the server listens beyond this machine. So it has made an API key:

  ${key}

Send it as X-Api-Key. It is not shown again: only its hash is kept, in ${path}.
For another key delete that file, or set WAHA_API_KEY; for none at all set WAHA_NO_API_KEY=true.
`);
  const { setting, isNew } = await keptKey(path, { show, syncDirectory });
  if (!isNew) logger.info({ path }, "the API key is the one made at the first start");
  return setting;
}

/** Resolves when the text has been taken by the console. */
const print = (text: string) =>
  new Promise<void>((resolve, reject) => {
    process.stdout.write(`${text}\n`, (error) => (error ? reject(error) : resolve()));
  });

/** Returns the CORS rules and the host guard. Throws ConfigError for an origin or a host that could match nothing. */
function callersOf({ corsOrigins, allowedHosts: hosts, access }: Config) {
  const cors = namingVariable("SESSIOND_CORS_ORIGIN", () => corsFor(corsOrigins));
  const origins = cors.origins === "*" ? [] : cors.origins;
  const guard = namingVariable("SESSIOND_ALLOWED_HOSTS", () => createHostGuard({ hosts, origins }));
  return { cors, guard: access === "this_machine" ? guard : undefined };
}

/** Runs `read`, and turns its Error into a ConfigError that names the variable. */
function namingVariable<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new ConfigError(`${name}: ${error instanceof Error ? error.message : ""}`);
  }
}

const allowed = ({ webhooks }: Config) => namingVariable("SESSIOND_WEBHOOK_ALLOW", () => allowListOf(webhooks.allow));

function webhookProxies(secrets: Secrets) {
  try {
    return proxyRules(secrets.webhookProxies);
  } catch (error) {
    throw new ConfigError(error instanceof Error ? error.message : "");
  }
}

async function printQr(session: string, value: string): Promise<void> {
  console.log(`\nScan with WhatsApp to pair session '${session}':\n${await drawQrText(value)}`);
}

try {
  const settings = await readConfig((path) => readFile(path, "utf8"));
  const [command, ...args] = process.argv.slice(2);
  if (command === "restore") await restore(settings.config, args);
  else if (command !== undefined) throw new ConfigError(`unknown command ${command}: there is only restore`);
  else {
    const stop = await serve(settings);
    // Libraries leave timers of up to a minute behind, and there is nothing left that they could do.
    const end = () =>
      stop().then(
        () => process.exit(),
        (error: unknown) => {
          console.error(error);
          process.exit(1);
        },
      );
    // A second signal finds the default conduct again and ends a stop that hangs.
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, end);
  }
} catch (error) {
  console.error(error instanceof Error ? `sessiond: ${error.message}` : error);
  // Whatever was opened before would keep the process alive, and nothing is lost with it.
  process.exit(1);
}
