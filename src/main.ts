import { mkdir, readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { resolve } from "node:path";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { AuthService } from "../gen/sessiond/v1/auth_service_pb.js";
import { ServerService } from "../gen/sessiond/v1/server_service_pb.js";
import { Engine_Kind, ProxyConfigSchema, WebhookConfigSchema } from "../gen/sessiond/v1/session_pb.js";
import { SessionService } from "../gen/sessiond/v1/session_service_pb.js";
import packageJson from "../package.json" with { type: "json" };
import { createBaileysFactory } from "./adapters/baileys/engine.ts";
import { openLevelBackend } from "./adapters/level/backend.ts";
import { keptKey, keyVerifier } from "./adapters/node/api-key.ts";
import { nodeSigner } from "./adapters/node/signer.ts";
import { systemClock as clock, systemRandom as random } from "./adapters/node/system.ts";
import { createLogger } from "./adapters/pino/logger.ts";
import { drawQr, drawQrText } from "./adapters/qrcode/draw.ts";
import { createWebhookSender } from "./adapters/undici/webhook.ts";
import { authentication } from "./api/authentication.ts";
import { createRoutes } from "./api/routes.ts";
import { violationsOf } from "./api/validation.ts";
import { printQrs } from "./app/qr-printer.ts";
import { SessionManager } from "./app/session-manager.ts";
import { WebhookDispatcher } from "./app/webhook-dispatcher.ts";
import { type Config, ConfigError, readConfig, type Secrets } from "./config.ts";
import { defaultPolicy } from "./domain/session.ts";
import { defaultCors } from "./http/cors.ts";
import { createHandler } from "./http/handler.ts";
import { createHostGuard } from "./http/host-guard.ts";
import { createRest } from "./http/rest.ts";
import { rpcsAt } from "./http/rpcs-at.ts";
import { createServer } from "./http/server.ts";
import type { Logger } from "./ports/system.ts";

const { version } = packageJson;
/** How long streams and calls may take to end once the server stops. */
const stopGraceMs = 3_000;

/** Builds the server, listens, and returns the call that stops it again, in reverse. Rejects if anything of it cannot be had. */
async function serve(config: Config, secrets: Secrets): Promise<() => Promise<void>> {
  const startedAtMs = clock.nowMs();
  const logger = createLogger({ level: config.logLevel, format: config.logFormat });
  // An engine's library may throw where nobody can catch it: its session suffers, the others must not.
  process.on("uncaughtException", (error) => logger.error({ err: error }, "uncaught exception"));
  process.on("unhandledRejection", (error) => logger.error({ err: error }, "unhandled rejection"));

  const directory = resolve(config.baseDirectory);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const backend = await openLevelBackend({ directory: `${directory}/store`, clock });
  const keySetting =
    secrets.apiKey ?? (config.access === "generated_key" ? await ownKey(directory, logger) : undefined);

  const noweb = createBaileysFactory({
    clock,
    waWebSocketUrl: config.nowebUrl,
    deviceName: config.deviceName,
    browserName: config.browserName,
  });
  const manager = new SessionManager({
    backend,
    engines: new Map([[noweb.kind, noweb]]),
    clock,
    random,
    logger,
    policy: defaultPolicy,
    defaultEngine: Engine_Kind[config.defaultEngine],
    defaultProxy: secrets.proxy && create(ProxyConfigSchema, secrets.proxy),
    globalWebhook: globalWebhook(secrets),
    restart: config.restart,
    names: config.startSessions,
  });
  const sender = createWebhookSender({ clock });
  const environment = { version, tier: "PLUS", browser: null };
  const dispatcher = new WebhookDispatcher({ backend, sender, clock, random, logger, signer: nodeSigner, environment });

  const shutdown = new AbortController();
  const services = [SessionService, AuthService, ServerService];
  const open = rpcsAt(services, config.openPaths);
  for (const path of open.unknown) logger.warn({ path }, "WAHA_API_KEY_EXCLUDE_PATH has a path that is none of REST's");
  const verifyKey = keySetting === undefined ? undefined : keyVerifier(keySetting);
  const admits = authentication({ verifyKey, open: open.rpcs, logger });
  const routes = createRoutes({
    manager,
    admits,
    drawQr,
    clock,
    logger,
    showSecrets: config.showSecrets,
    version,
    engine: config.defaultEngine,
    browser: undefined,
    workerId: config.workerId,
    startedAtMs,
    checkStore: () => backend.check(),
  });
  const router = { shutdownSignal: shutdown.signal };
  const rest = createRest({
    services,
    admits,
    transport: createRouterTransport(routes, { router }),
    validate: violationsOf,
    strict: config.strictMode,
    maxBodyBytes: config.maxBodyBytes,
    onError: (error) => logger.error({ err: error }, "request failed"),
  });
  const origins = config.corsOrigins === "*" ? [] : config.corsOrigins;
  const guard = config.access === "this_machine" ? createHostGuard({ hosts: config.allowedHosts, origins }) : undefined;
  const handler = createHandler({
    routes,
    rest,
    guard,
    shutdownSignal: shutdown.signal,
    cors: { ...defaultCors, origins: config.corsOrigins },
  });
  const server = createServer({ host: config.host, port: config.port, tls: secrets.tls, handler });

  dispatcher.start();
  await manager.boot();
  const { address, port } = await server.listen();
  const host = isIP(address) === 6 ? `[${address}]` : address;
  const url = `${secrets.tls ? "https" : "http"}://${host}:${port}`;
  logger.info({ url, store: directory, engine: config.defaultEngine, version }, "listening");
  const printing = config.printQr ? printQrs(backend, printQr, shutdown.signal) : undefined;

  return async () => {
    logger.info({}, "stopping");
    shutdown.abort(new ConnectError("The server is shutting down", Code.Unavailable));
    await server.close(stopGraceMs);
    await printing;
    await dispatcher.stop();
    await sender.close();
    await manager.close();
    await backend.close();
    logger.info({}, "stopped");
  };
}

/** The key that the server has made itself, as `keyVerifier` takes it. On the console and not in the log, since it is a secret. */
async function ownKey(directory: string, logger: Logger): Promise<string> {
  const path = `${directory}/api-key.sha512`;
  const { setting, generated } = await keptKey(path);
  if (generated === undefined) logger.info({ path }, "the API key is the one made at the first start");
  else {
    console.log(`
No WAHA_API_KEY is set, and the server listens beyond this machine. So it has made an API key:

  ${generated}

Send it as X-Api-Key. It is not shown again: only its hash is kept, in ${path}.
For another key delete that file, or set WAHA_API_KEY; for none at all set WAHA_NO_API_KEY=true.
`);
  }
  return setting;
}

function globalWebhook({ globalWebhook: hook }: Secrets) {
  if (!hook) return undefined;
  const { url, events, hmacKey, policy, delaySeconds, attempts, customHeaders } = hook;
  const retries = policy !== undefined || delaySeconds !== undefined || attempts !== undefined;
  return create(WebhookConfigSchema, {
    url,
    events: [...events],
    customHeaders: [...customHeaders],
    ...(hmacKey && { hmac: { key: hmacKey } }),
    ...(retries && { retries: { ...(policy && { policy }), delaySeconds, attempts } }),
  });
}

async function printQr(session: string, value: string): Promise<void> {
  console.log(`\nScan with WhatsApp to pair session '${session}':\n${await drawQrText(value)}`);
}

try {
  const { config, secrets } = await readConfig((path) => readFile(path, "utf8"));
  const stop = await serve(config, secrets);
  // A second signal finds the default conduct again and ends a stop that hangs.
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, stop);
} catch (error) {
  console.error(error instanceof ConfigError || error instanceof Error ? `sessiond: ${error.message}` : error);
  process.exitCode = 1;
}
