import { type Access, accessOf, isLoopback } from "./access.ts";
import { hostOf, portOf, publicHostOf } from "./address.ts";
import { apiKeyOf } from "./api-key.ts";
import { createReader, type Environment, type Reader, type Warning } from "./environment.ts";
import { type ReadFile, readSecrets, type Secrets } from "./secrets.ts";

export type { Access } from "./access.ts";
export { ConfigError } from "./kinds.ts";
export type { Secrets } from "./secrets.ts";

/** Settings that logs and answers may show. */
export interface Config {
  /** The address to listen on. */
  readonly host: string;
  /** Host for URLs, with a port if need be; undefined for the server's address. */
  readonly publicHost: string | undefined;
  readonly port: number;
  readonly access: Access;
  /** REST paths that need no key. */
  readonly openPaths: readonly string[];
  /** Host names that a keyless server answers to, besides this machine's own. */
  readonly allowedHosts: readonly string[];
  readonly baseDirectory: string;
  /** Base directory of an earlier image, used while only it holds a store. Unset unless the base directory is the default. */
  readonly formerBaseDirectory: string | undefined;
  /** True if a store that is a copy may be opened. */
  readonly adoptStore: boolean;
  readonly defaultEngine: EngineName;
  readonly restart: "wanted" | "all" | "none";
  readonly startSessions: readonly string[];
  readonly autoStartDelayMs: number;
  readonly workerId: string;
  /** Name of this node in a cluster; undefined for the name of its host. */
  readonly nodeName: string | undefined;
  /** Name of what this node runs beside its version; empty for none. */
  readonly build: string;
  /** Base URL at which other nodes reach this one; undefined for the address from which it reaches the store. */
  readonly nodeUrl: string | undefined;
  /** Gives sessions to other nodes at a stop, or leaves them to the next start. */
  readonly drain: "handoff" | "return";
  /** Time for which the event loop may stand still until the process is killed; 0 for no watchdog. */
  readonly blockedLimitMs: number;
  readonly printQr: boolean;
  readonly logLevel: LogLevel;
  readonly logFormat: "PRETTY" | "JSON";
  readonly strictMode: boolean;
  readonly showSecrets: boolean;
  readonly maxBodyBytes: number;
  /** Limit for the bodies of calls that send a file. */
  readonly maxFileBodyBytes: number;
  readonly streams: { readonly heartbeatMs: number; readonly maxAgeMs: number };
  /** Limit of open streams. */
  readonly maxStreams: number;
  /** Limit of open calls and streams on one HTTP/2 connection. */
  readonly maxStreamsPerConnection: number;
  /** Time until idle connections are closed (0 for no limit), and the interval of HTTP/2 pings. */
  readonly keepAlive: { readonly http1Ms: number; readonly http2Ms: number; readonly pingMs: number };
  /** True if gRPC server reflection is served. */
  readonly reflection: boolean;
  /** Origins that browsers may call from. */
  readonly corsOrigins: "*" | readonly string[];
  /** Limits of sessions that begin to connect per second, and that are connecting at the same time. */
  readonly connects: { readonly perSecond: number; readonly maxConnecting: number };
  /** Messages that a session sends per second on average, and at once after a pause. */
  readonly sendRate: { readonly perSecond: number; readonly burst: number };
  readonly media: MediaSettings;
  /** WebSocket address in place of WhatsApp's. */
  readonly nowebUrl: string | undefined;
  /** Client version of NOWEB, or the place where it is looked up. */
  readonly nowebVersion: string | undefined;
  /** Address to look it up at, in place of the usual one. */
  readonly nowebVersionUrl: string | undefined;
  /** True if signatures are made with WebAssembly in place of libsignal's JavaScript. */
  readonly nowebFastCurve: boolean;
  /** The chats that sessions without a choice of their own ignore. */
  readonly ignore: Readonly<Record<"status" | "groups" | "channels" | "broadcast", boolean>>;
  readonly deviceName: string | undefined;
  readonly browserName: string | undefined;
  /** Browser of WEBJS; undefined to look for one, first along `searchPath`. */
  readonly chromePath: string | undefined;
  readonly chromeArgs: readonly string[];
  readonly searchPath: string | undefined;
  /** Mode of the dashboard: off, read-only, or on. */
  readonly dashboard: "on" | "readonly" | "off";
  /** True if Swagger UI and the OpenAPI document are served. */
  readonly docs: boolean;
  /** True if /metrics is served, behind the API key if there is one. */
  readonly metrics: boolean;
  readonly webhooks: WebhookSettings;
  /** The kind of store. */
  readonly store: "level" | "postgres";
  /** Notes about the environment for the log. */
  readonly warnings: readonly Warning[];
}

/** Settings of the delivery of webhooks, and of all that is kept of the past. */
export interface WebhookSettings {
  /** True if webhooks to private addresses are refused. */
  readonly guard: boolean;
  /** CIDR blocks, addresses and hosts that the guard allows. */
  readonly allow: readonly string[];
  readonly retention: Readonly<
    Record<"events" | "delivered" | "failed" | "sent", { maxCount: number; maxAgeMs: number }>
  >;
}

/** Settings of the files of messages. */
export interface MediaSettings {
  /** True if files are not fetched from private addresses. */
  readonly guard: boolean;
  readonly maxBytes: number;
  /** Time in which a file has to arrive from a URL. */
  readonly fetchLimitMs: number;
  /** True if messages show their files. */
  readonly isShown: boolean;
  /** Media types of files that are shown, or their beginnings; empty for all. */
  readonly mimetypes: readonly string[];
  /** Time for which a file can be fetched; 0 for no limit. */
  readonly lifetimeMs: number;
}

export type EngineName = "NOWEB" | "WEBJS";
export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";

/**
 * Reads the environment; `readFile` returns the text of a file named there. Rejects with ConfigError. Besides process-environment.ts
 * the only reader of process.env.
 */
export async function readConfig(
  readFile: ReadFile,
  env: Environment = process.env,
): Promise<{ config: Config; secrets: Secrets }> {
  const read = createReader(env);
  const apiKey = apiKeyOf(read);
  const host = hostOf(read, apiKey);
  const access = accessOf(read, apiKey, host);
  const config = {
    host,
    publicHost: publicHostOf(read, host),
    port: portOf(read),
    access,
    store: read.has("SESSIOND_STORE") ? "postgres" : "level",
    ...storageOf(read),
    ...sessionsOf(read),
    ...enginesOf(read),
    ...limitsOf(read),
    media: mediaOf(read),
    openPaths: [...read.get("WAHA_API_KEY_EXCLUDE_PATH"), ...(read.get("WHATSAPP_API_KEY_EXCLUDE_PATH") ?? [])],
    allowedHosts: read.get("SESSIOND_ALLOWED_HOSTS"),
    corsOrigins: anyOrListed(read.get("SESSIOND_CORS_ORIGIN")),
    logLevel: isDebug(read) ? "debug" : read.get("WAHA_LOG_LEVEL"),
    logFormat: read.get("WAHA_LOG_FORMAT"),
    blockedLimitMs: read.get("SESSIOND_BLOCKED_LIMIT_SECONDS"),
    reflection: read.get("SESSIOND_REFLECTION") ?? isLoopback(host),
    dashboard: read.get("WAHA_DASHBOARD_ENABLED") ? read.get("SESSIOND_DASHBOARD") : "off",
    docs: read.get("WHATSAPP_SWAGGER_ENABLED"),
    metrics: read.get("SESSIOND_METRICS") ?? (access === "key" || access === "generated_key"),
    webhooks: webhooksOf(read, host),
  } as const;
  const secrets = await readSecrets(read, apiKey, readFile);
  if (secrets.dashboardLogin !== undefined && (access === "this_machine" || access === "everybody")) {
    read.warn("WAHA_DASHBOARD_PASSWORD", "has no effect without an API key: set WAHA_API_KEY");
  }
  return { config: { ...config, warnings: read.warnings() }, secrets };
}

function storageOf(read: Reader) {
  const baseDirectory = read.get("WAHA_LOCAL_STORE_BASE_DIR");
  return {
    baseDirectory: baseDirectory ?? "./.sessions",
    formerBaseDirectory: baseDirectory === undefined ? read.get("SESSIOND_FORMER_BASE_DIR") : undefined,
    adoptStore: read.get("SESSIOND_ADOPT_STORE"),
  };
}

function sessionsOf(read: Reader) {
  const restartsWanted = read.get("WAHA_WORKER_RESTART_SESSIONS");
  return {
    defaultEngine: read.get("WHATSAPP_DEFAULT_ENGINE"),
    restart: read.get("WHATSAPP_RESTART_ALL_SESSIONS") ? "all" : restartsWanted ? "wanted" : "none",
    startSessions: read.get("WHATSAPP_START_SESSION"),
    autoStartDelayMs: read.get("WAHA_AUTO_START_DELAY_SECONDS"),
    connects: {
      perSecond: read.get("SESSIOND_CONNECTS_PER_SECOND"),
      maxConnecting: read.get("SESSIOND_MAX_CONNECTING"),
    },
    sendRate: {
      perSecond: read.get("SESSIOND_SENDS_PER_SECOND"),
      burst: read.get("SESSIOND_SEND_BURST"),
    },
    ignore: {
      status: read.get("WAHA_SESSION_CONFIG_IGNORE_STATUS"),
      groups: read.get("WAHA_SESSION_CONFIG_IGNORE_GROUPS"),
      channels: read.get("WAHA_SESSION_CONFIG_IGNORE_CHANNELS"),
      broadcast: read.get("WAHA_SESSION_CONFIG_IGNORE_BROADCAST"),
    },
    workerId: read.get("WAHA_WORKER_ID"),
    nodeName: read.get("SESSIOND_NODE"),
    build: read.get("SESSIOND_BUILD"),
    nodeUrl: read.get("SESSIOND_NODE_URL"),
    drain: read.get("SESSIOND_DRAIN"),
    printQr: read.get("WAHA_PRINT_QR"),
  } as const;
}

function enginesOf(read: Reader) {
  return {
    nowebUrl: read.get("SESSIOND_NOWEB_URL"),
    nowebVersion: read.get("SESSIOND_NOWEB_VERSION") ?? read.get("WAHA_NOWEB_WA_VERSION"),
    nowebVersionUrl: read.get("SESSIOND_NOWEB_VERSION_URL"),
    nowebFastCurve: read.get("SESSIOND_NOWEB_FAST_CURVE"),
    deviceName: read.get("WAHA_CLIENT_DEVICE_NAME"),
    browserName: read.get("WAHA_CLIENT_BROWSER_NAME"),
    chromePath: read.get("SESSIOND_CHROME_PATH"),
    chromeArgs: read.get("WAHA_WEBJS_PUPPETER_ARGS"),
    searchPath: read.get("PATH"),
  };
}

const mediaOf = (read: Reader): MediaSettings => ({
  // Unlike the host of a webhook, a file's content is shown: to the person who gets it.
  guard: read.get("SESSIOND_WEBHOOK_GUARD") ?? true,
  maxBytes: read.get("SESSIOND_MAX_FILE_BYTES"),
  fetchLimitMs: read.get("SESSIOND_FILE_FETCH_SECONDS"),
  isShown: read.get("WHATSAPP_DOWNLOAD_MEDIA"),
  mimetypes: read.get("WHATSAPP_FILES_MIMETYPES"),
  lifetimeMs: read.get("WHATSAPP_FILES_LIFETIME"),
});

const mebibyte = 1024 * 1024;

function limitsOf(read: Reader) {
  return {
    strictMode: read.get("WAHA_HTTP_STRICT_MODE"),
    showSecrets: read.get("SESSIOND_SHOW_SECRETS"),
    maxBodyBytes: read.get("SESSIOND_MAX_BODY_BYTES") ?? 10 * mebibyte,
    // As WAHA takes them.
    maxFileBodyBytes: read.get("SESSIOND_MAX_BODY_BYTES") ?? 50 * mebibyte,
    streams: {
      heartbeatMs: read.get("SESSIOND_STREAM_HEARTBEAT_SECONDS"),
      maxAgeMs: read.get("SESSIOND_STREAM_MAX_AGE_SECONDS"),
    },
    maxStreams: read.get("SESSIOND_MAX_STREAMS"),
    maxStreamsPerConnection: read.get("SESSIOND_MAX_STREAMS_PER_CONNECTION"),
    keepAlive: {
      http1Ms: read.get("SESSIOND_KEEP_ALIVE_SECONDS"),
      http2Ms: read.get("SESSIOND_HTTP2_IDLE_SECONDS"),
      pingMs: read.get("SESSIOND_HTTP2_PING_SECONDS"),
    },
  };
}

const anyOrListed = (origins: readonly string[]) =>
  origins.length === 1 && origins[0] === "*" ? ("*" as const) : origins;

/** Any other value of DEBUG is for the library `debug`, which reads it by itself. */
const isDebug = (read: Reader) => ["true", "1"].includes(read.get("DEBUG")?.toLowerCase() ?? "");

function webhooksOf(read: Reader, host: string): WebhookSettings {
  const limits = (log: "EVENT_LOG" | "DELIVERY_LOG" | "DEAD_LETTERS" | "SENT_MESSAGES") => ({
    maxCount: read.get(`SESSIOND_${log}_MAX`),
    maxAgeMs: read.get(`SESSIOND_${log}_MAX_AGE_DAYS`),
  });
  return {
    guard: read.get("SESSIOND_WEBHOOK_GUARD") ?? !isLoopback(host),
    allow: read.get("SESSIOND_WEBHOOK_ALLOW"),
    retention: {
      events: limits("EVENT_LOG"),
      delivered: limits("DELIVERY_LOG"),
      failed: limits("DEAD_LETTERS"),
      sent: limits("SENT_MESSAGES"),
    },
  };
}
