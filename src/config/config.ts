import { sessionNameViolations } from "../domain/session-name.ts";
import { type Access, accessOf, isLoopback } from "./access.ts";
import { hostOf, portOf, publicHostOf } from "./address.ts";
import { apiKeyOf } from "./api-key.ts";
import { ConfigError, type Environment, type Reader, reader, type Warning } from "./environment.ts";
import { nowebVersionOf } from "./noweb-version.ts";
import { type ReadFile, readSecrets, type Secrets } from "./secrets.ts";

export type { Access } from "./access.ts";
export { ConfigError } from "./environment.ts";
export type { Secrets } from "./secrets.ts";

/** Settings that may be shown: in logs, in answers. */
export interface Config {
  /** The address to listen on. */
  readonly host: string;
  /** The host, and perhaps the port, under which clients reach the server; undefined: its address. */
  readonly publicHost: string | undefined;
  readonly port: number;
  readonly access: Access;
  /** Paths that need no key. */
  readonly openPaths: readonly string[];
  /** Host names that a server without a key answers to, besides this machine's own. */
  readonly allowedHosts: readonly string[];
  readonly baseDirectory: string;
  /** Where sessions were kept before, if the base directory is the default: used as long as only it holds a store. */
  readonly formerBaseDirectory: string | undefined;
  /** Opens the store even if it is a copy. */
  readonly adoptStore: boolean;
  readonly defaultEngine: EngineName;
  readonly restart: "wanted" | "all" | "none";
  readonly startSessions: readonly string[];
  readonly autoStartDelayMs: number;
  readonly workerId: string;
  /** An event loop that has not turned for so long ends the process; 0: nobody watches it. */
  readonly blockedLimitMs: number;
  readonly printQr: boolean;
  readonly logLevel: LogLevel;
  readonly logFormat: "PRETTY" | "JSON";
  readonly strictMode: boolean;
  readonly showSecrets: boolean;
  readonly maxBodyBytes: number;
  readonly streams: { readonly heartbeatMs: number; readonly maxAgeMs: number };
  /** How many streams can be open at the same time. */
  readonly maxStreams: number;
  /** How many calls and streams one HTTP/2 connection can have open. */
  readonly maxStreamsPerConnection: number;
  /** How long connections without a request stay open (0: no limit), and how often HTTP/2 peers are pinged. */
  readonly keepAlive: { readonly http1Ms: number; readonly http2Ms: number; readonly pingMs: number };
  /** Whether gRPC clients can ask for the protos. */
  readonly reflection: boolean;
  /** Origins that browsers may call from. */
  readonly corsOrigins: "*" | readonly string[];
  /** How many sessions begin to connect in a second, and how many are on their way at the same time. */
  readonly connects: { readonly perSecond: number; readonly maxConnecting: number };
  readonly nowebUrl: string | undefined;
  /** A client version, or where it is looked up. */
  readonly nowebVersion: string | undefined;
  /** Where it is looked up instead. */
  readonly nowebVersionUrl: string | undefined;
  /** Signs with WebAssembly where libsignal has plain JavaScript. */
  readonly nowebFastCurve: boolean;
  readonly deviceName: string | undefined;
  readonly browserName: string | undefined;
  /** The browser of WEBJS; undefined: one is looked for, first along `searchPath`. */
  readonly chromePath: string | undefined;
  readonly chromeArgs: readonly string[];
  readonly searchPath: string | undefined;
  /** Serves the OpenAPI document and Swagger UI. */
  readonly docs: boolean;
  /** Whether /metrics is served; where there is a key it needs that. */
  readonly metrics: boolean;
  readonly webhooks: WebhookSettings;
  /** The kind of store. */
  readonly store: "level";
  /** Notes about the environment for the log. */
  readonly warnings: readonly Warning[];
}

/** How webhooks are sent, and how long it is kept what became of them. */
export interface WebhookSettings {
  /** Keeps them from the network inside. */
  readonly guard: boolean;
  /** CIDR blocks, addresses and hosts that they may go to all the same. */
  readonly allow: readonly string[];
  readonly retention: Readonly<Record<"events" | "delivered" | "failed", { maxCount: number; maxAgeMs: number }>>;
}

export type EngineName = "NOWEB" | "WEBJS";
export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";

const engineNames = ["NOWEB", "WEBJS"] as const satisfies readonly EngineName[];
const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const satisfies readonly LogLevel[];

/**
 * Reads the environment; `readFile` gives the text of a file named there. Rejects with ConfigError. The only reader of process.env
 * beside ./process-environment.ts.
 */
export async function readConfig(
  readFile: ReadFile,
  env: Environment = process.env,
): Promise<{ config: Config; secrets: Secrets }> {
  const read = reader(env);
  const restartAll = read.boolean("WHATSAPP_RESTART_ALL_SESSIONS", false);
  const apiKey = apiKeyOf(read);
  const host = hostOf(read, apiKey);
  const access = accessOf(read, apiKey, host);
  const baseDirectory = read.trimmed("WAHA_LOCAL_STORE_BASE_DIR");
  const config: Omit<Config, "warnings"> = {
    host,
    publicHost: publicHostOf(read, host),
    port: portOf(read),
    access,
    openPaths: [...read.list("WAHA_API_KEY_EXCLUDE_PATH"), ...read.list("WHATSAPP_API_KEY_EXCLUDE_PATH")],
    allowedHosts: read.list("SESSIOND_ALLOWED_HOSTS"),
    baseDirectory: baseDirectory ?? "./.sessions",
    formerBaseDirectory: baseDirectory === undefined ? read.trimmed("SESSIOND_FORMER_BASE_DIR") : undefined,
    adoptStore: read.boolean("SESSIOND_ADOPT_STORE", false),
    defaultEngine: read.oneOf("WHATSAPP_DEFAULT_ENGINE", engineNames) ?? "NOWEB",
    restart: restartAll ? "all" : read.boolean("WAHA_WORKER_RESTART_SESSIONS", true) ? "wanted" : "none",
    startSessions: startSessionsOf(read),
    autoStartDelayMs: (read.number("WAHA_AUTO_START_DELAY_SECONDS", 0, 86_400) ?? 0) * 1000,
    workerId: read.text("WAHA_WORKER_ID") ?? "",
    blockedLimitMs: (read.number("SESSIOND_BLOCKED_LIMIT_SECONDS", 0, 86_400) ?? 60) * 1000,
    printQr: read.boolean("WAHA_PRINT_QR", true),
    logLevel: isDebug(read) ? "debug" : (read.oneOf("WAHA_LOG_LEVEL", logLevels) ?? "info"),
    logFormat: read.oneOf("WAHA_LOG_FORMAT", ["PRETTY", "JSON"] as const) ?? "PRETTY",
    strictMode: read.boolean("WAHA_HTTP_STRICT_MODE", false),
    showSecrets: read.boolean("SESSIOND_SHOW_SECRETS", false),
    maxBodyBytes: read.integer("SESSIOND_MAX_BODY_BYTES", 1, 2 ** 31) ?? 10 * 1024 * 1024,
    streams: {
      heartbeatMs: (read.number("SESSIOND_STREAM_HEARTBEAT_SECONDS", 0.1, 3600) ?? 15) * 1000,
      maxAgeMs: (read.number("SESSIOND_STREAM_MAX_AGE_SECONDS", 1, 2_592_000) ?? 86_400) * 1000,
    },
    maxStreams: read.integer("SESSIOND_MAX_STREAMS", 1, 1_000_000) ?? 20_000,
    maxStreamsPerConnection: read.integer("SESSIOND_MAX_STREAMS_PER_CONNECTION", 1, 1_000_000) ?? 1_024,
    keepAlive: {
      http1Ms: (read.number("SESSIOND_KEEP_ALIVE_SECONDS", 0, 86_400) ?? 620) * 1000,
      http2Ms: (read.number("SESSIOND_HTTP2_IDLE_SECONDS", 0, 86_400) ?? 620) * 1000,
      pingMs: (read.number("SESSIOND_HTTP2_PING_SECONDS", 1, 3_600) ?? 10) * 1000,
    },
    reflection: read.boolean("SESSIOND_REFLECTION", isLoopback(host)),
    corsOrigins: (read.trimmed("SESSIOND_CORS_ORIGIN") ?? "*") === "*" ? "*" : read.list("SESSIOND_CORS_ORIGIN"),
    connects: {
      perSecond: read.number("SESSIOND_CONNECTS_PER_SECOND", 0.01, 10_000) ?? 20,
      maxConnecting: read.integer("SESSIOND_MAX_CONNECTING", 1, 100_000) ?? 64,
    },
    nowebFastCurve: read.boolean("SESSIOND_NOWEB_FAST_CURVE", true),
    nowebUrl: read.url("SESSIOND_NOWEB_URL", ["ws:", "wss:"]),
    nowebVersion: nowebVersionOf(read),
    nowebVersionUrl: read.url("SESSIOND_NOWEB_VERSION_URL", ["http:", "https:"]),
    deviceName: read.text("WAHA_CLIENT_DEVICE_NAME"),
    browserName: read.text("WAHA_CLIENT_BROWSER_NAME"),
    chromePath: read.trimmed("SESSIOND_CHROME_PATH"),
    chromeArgs: chromeArgsOf(read.text("WAHA_WEBJS_PUPPETER_ARGS") ?? ""),
    searchPath: read.text("PATH"),
    docs: read.boolean("WHATSAPP_SWAGGER_ENABLED", true),
    metrics: read.boolean("SESSIOND_METRICS", access === "key" || access === "generated_key"),
    webhooks: webhooksOf(read, host),
    store: "level",
  };
  const secrets = await readSecrets(read, apiKey, readFile);
  return { config: { ...config, warnings: read.warnings() }, secrets };
}

function startSessionsOf(read: Reader): string[] {
  const names = read.list("WHATSAPP_START_SESSION");
  const [violation] = names.flatMap((name, index) => sessionNameViolations(name, `item ${index + 1}`));
  if (violation) throw new ConfigError(`WHATSAPP_START_SESSION: ${violation.field} ${violation.description}`);
  return names;
}

/** Any other value is meant for the library `debug`, which reads it by itself. */
const isDebug = (read: Reader) => ["true", "1"].includes(read.trimmed("DEBUG")?.toLowerCase() ?? "");

/** Each argument begins with "--"; spaces within one are its own, with quotes around it or its value, or without. */
const chromeArgsOf = (text: string) =>
  text
    .trim()
    .split(/\s+(?=["']?--)/)
    .filter((arg) => arg !== "")
    .map((arg) => arg.replace(/^(["'])(.*)\1$/, "$2").replace(/^(--[\w-]+=)(["'])(.*)\2$/, "$1$3"));

function webhooksOf(read: Reader, host: string): WebhookSettings {
  const limits = (name: string, maxCount: number, maxAgeDays: number) => ({
    maxCount: read.integer(`${name}_MAX`, 0, 10_000_000) ?? maxCount,
    maxAgeMs: (read.number(`${name}_MAX_AGE_DAYS`, 0, 3_650) ?? maxAgeDays) * 86_400_000,
  });
  return {
    guard: read.boolean("SESSIOND_WEBHOOK_GUARD", !isLoopback(host)),
    allow: read.list("SESSIOND_WEBHOOK_ALLOW"),
    retention: {
      events: limits("SESSIOND_EVENT_LOG", 10_000, 7),
      delivered: limits("SESSIOND_DELIVERY_LOG", 1_000, 7),
      failed: limits("SESSIOND_DEAD_LETTERS", 10_000, 30),
    },
  };
}
