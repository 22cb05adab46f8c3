/** Settings that may be shown: in logs, in answers. */
export interface Config {
  readonly host: string;
  readonly port: number;
  readonly access: Access;
  /** Paths that need no key. */
  readonly openPaths: readonly string[];
  /** Host names that a server without a key answers to, besides this machine's own. */
  readonly allowedHosts: readonly string[];
  readonly baseDirectory: string;
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
  /** Whether gRPC clients can ask for the protos. */
  readonly reflection: boolean;
  /** Origins that browsers may call from. */
  readonly corsOrigins: "*" | readonly string[];
  /** How many sessions begin to connect in a second, and how many are on their way at the same time. */
  readonly connects: { readonly perSecond: number; readonly maxConnecting: number };
  readonly nowebUrl: string | undefined;
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
}

/** Who may call: who has the key of Secrets, who has the key that the server has made itself, programs on this machine, or everybody. */
export type Access = "key" | "generated_key" | "this_machine" | "everybody";

/** Settings that are never shown. */
export interface Secrets {
  /** The API key, or "sha512:" and its hash in hexadecimal. */
  readonly apiKey: string | undefined;
  /** Who may look at the documentation; undefined: everybody. */
  readonly docsLogin: { readonly username: string; readonly password: string } | undefined;
  /** What the store is sealed with, 32 bytes each: by the first, which takes the place of the others; undefined: by nothing. */
  readonly sealKeys: { readonly current: Uint8Array; readonly previous: readonly Uint8Array[] } | undefined;
  /** PEM texts for TLS on the port; undefined: cleartext. */
  readonly tls: { readonly key: string; readonly cert: string } | undefined;
  /** The endpoint called for every event of every session. */
  readonly globalWebhook: GlobalWebhook | undefined;
  /** The proxies of sessions that configure none. */
  readonly proxies: {
    readonly servers: readonly string[];
    readonly username: string | undefined;
    readonly password: string | undefined;
    readonly indexPrefix: string | undefined;
  };
}

export interface GlobalWebhook {
  readonly url: string;
  readonly events: readonly string[];
  readonly hmacKey: string | undefined;
  /** The key before, while receivers change over. */
  readonly hmacPreviousKey: string | undefined;
  readonly policy: string | undefined;
  readonly delaySeconds: number | undefined;
  readonly attempts: number | undefined;
  readonly customHeaders: readonly { readonly name: string; readonly value: string }[];
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

/** A variable of the environment that cannot be understood. The message names it and never repeats a secret. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

type ReadFile = (path: string) => Promise<string>;
type Environment = Readonly<Record<string, string | undefined>>;

const engineNames = ["NOWEB", "WEBJS"] as const satisfies readonly EngineName[];
const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const satisfies readonly LogLevel[];

/** Reads the environment; `readFile` gives the text of a file named there. Rejects with ConfigError. The only reader of process.env. */
export async function readConfig(
  readFile: (path: string) => Promise<string>,
  env: Environment = process.env,
): Promise<{ config: Config; secrets: Secrets }> {
  const read = reader(env);
  const restartAll = read.boolean("WHATSAPP_RESTART_ALL_SESSIONS", false);
  const apiKey = apiKeyOf(read);
  const host = read.text("WHATSAPP_API_HOSTNAME") ?? (apiKey === undefined ? "127.0.0.1" : "0.0.0.0");
  const access = accessOf(read, apiKey, host);
  const config: Config = {
    host,
    port: read.integer("PORT", 0, 65_535) ?? read.integer("WHATSAPP_API_PORT", 0, 65_535) ?? 3000,
    access,
    openPaths: [...read.list("WAHA_API_KEY_EXCLUDE_PATH"), ...read.list("WHATSAPP_API_KEY_EXCLUDE_PATH")],
    allowedHosts: read.list("SESSIOND_ALLOWED_HOSTS"),
    baseDirectory: read.text("WAHA_LOCAL_STORE_BASE_DIR") ?? "./.sessions",
    adoptStore: read.boolean("SESSIOND_ADOPT_STORE", false),
    defaultEngine: read.oneOf("WHATSAPP_DEFAULT_ENGINE", engineNames) ?? "NOWEB",
    restart: restartAll ? "all" : read.boolean("WAHA_WORKER_RESTART_SESSIONS", true) ? "wanted" : "none",
    startSessions: read.list("WHATSAPP_START_SESSION"),
    autoStartDelayMs: (read.number("WAHA_AUTO_START_DELAY_SECONDS", 0, 86_400) ?? 0) * 1000,
    workerId: read.text("WAHA_WORKER_ID") ?? "",
    blockedLimitMs: (read.number("SESSIOND_BLOCKED_LIMIT_SECONDS", 0, 86_400) ?? 60) * 1000,
    printQr: read.boolean("WAHA_PRINT_QR", true),
    logLevel: read.boolean("DEBUG", false) ? "debug" : (read.oneOf("WAHA_LOG_LEVEL", logLevels) ?? "info"),
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
    reflection: read.boolean("SESSIOND_REFLECTION", isLoopback(host)),
    corsOrigins: (read.text("SESSIOND_CORS_ORIGIN") ?? "*") === "*" ? "*" : read.list("SESSIOND_CORS_ORIGIN"),
    connects: {
      perSecond: read.number("SESSIOND_CONNECTS_PER_SECOND", 0.01, 10_000) ?? 20,
      maxConnecting: read.integer("SESSIOND_MAX_CONNECTING", 1, 100_000) ?? 64,
    },
    nowebFastCurve: read.boolean("SESSIOND_NOWEB_FAST_CURVE", true),
    nowebUrl: read.url("SESSIOND_NOWEB_URL", ["ws:", "wss:"]),
    deviceName: read.text("WAHA_CLIENT_DEVICE_NAME"),
    browserName: read.text("WAHA_CLIENT_BROWSER_NAME"),
    chromePath: read.text("SESSIOND_CHROME_PATH"),
    chromeArgs: chromeArgsOf(read.text("WAHA_WEBJS_PUPPETER_ARGS") ?? ""),
    searchPath: read.text("PATH"),
    docs: read.boolean("WHATSAPP_SWAGGER_ENABLED", true),
    metrics: read.boolean("SESSIOND_METRICS", access === "key" || access === "generated_key"),
    webhooks: webhooksOf(read, host),
  };
  const secrets: Secrets = {
    apiKey,
    docsLogin: docsLoginOf(read),
    sealKeys: await sealKeysOf(read, readFile),
    tls: await tlsOf(read, readFile),
    globalWebhook: globalWebhookOf(read),
    proxies: proxiesOf(read),
  };
  return { config, secrets };
}

function apiKeyOf(read: Reader): string | undefined {
  // HTTP takes no space at either end of a header.
  const trimmed = (name: string) => read.text(name)?.trim() || undefined;
  const name = trimmed("WAHA_API_KEY") ? "WAHA_API_KEY" : "WHATSAPP_API_KEY";
  const key = trimmed(name);
  if (key?.startsWith("sha512:") && !/^sha512:[0-9a-f]{128}$/i.test(key)) {
    throw new ConfigError(`${name} must be the key itself, or sha512: and 128 hexadecimal digits`);
  }
  if (key !== undefined && read.boolean("WAHA_NO_API_KEY", false)) {
    throw new ConfigError(`${name} asks for a key and WAHA_NO_API_KEY for none: set one of them`);
  }
  return key;
}

/** Each argument begins with "--"; spaces within one are its own, with quotes around it or its value, or without. */
const chromeArgsOf = (text: string) =>
  text
    .trim()
    .split(/\s+(?=["']?--)/)
    .filter((arg) => arg !== "")
    .map((arg) => arg.replace(/^(["'])(.*)\1$/, "$2").replace(/^(--[\w-]+=)(["'])(.*)\2$/, "$1$3"));

function accessOf(read: Reader, apiKey: string | undefined, host: string): Access {
  if (apiKey !== undefined) return "key";
  if (isLoopback(host)) return "this_machine";
  return read.boolean("WAHA_NO_API_KEY", false) ? "everybody" : "generated_key";
}

/** Only programs on this machine reach it. */
const isLoopback = (host: string) => /^(localhost|127\.\d+\.\d+\.\d+|::1)$/i.test(host);

function docsLoginOf(read: Reader): Secrets["docsLogin"] {
  const username = read.text("WHATSAPP_SWAGGER_USERNAME");
  const password = read.text("WHATSAPP_SWAGGER_PASSWORD");
  if (username === undefined && password === undefined) return undefined;
  if (username === undefined || password === undefined) {
    throw new ConfigError("WHATSAPP_SWAGGER_USERNAME and WHATSAPP_SWAGGER_PASSWORD go together: set both or none");
  }
  return { username, password };
}

async function sealKeysOf(read: Reader, readFile: ReadFile): Promise<Secrets["sealKeys"]> {
  const name = "SESSIOND_SECRET_KEY";
  const text = await textOrFile(read, readFile, name);
  const previous = await textOrFile(read, readFile, `${name}_PREVIOUS`);
  if (text === undefined) {
    if (previous !== undefined) throw new ConfigError(`${name}_PREVIOUS is set, but ${name} is not`);
    return undefined;
  }
  const former = (previous ?? "").split(/[\s,]+/).filter((key) => key !== "");
  return { current: sealKeyOf(name, text), previous: former.map((key) => sealKeyOf(`${name}_PREVIOUS`, key)) };
}

function sealKeyOf(name: string, text: string): Uint8Array {
  const trimmed = text.trim();
  const key = Buffer.from(trimmed, /^[0-9a-f]{64}$/i.test(trimmed) ? "hex" : "base64");
  if (key.length === 32 && /^[\w+/=-]+$/.test(trimmed)) return key;
  throw new ConfigError(`${name} must be 32 bytes as base64 or as 64 hexadecimal digits (openssl rand -base64 32)`);
}

/** A variable, or the text of the file that the one with _FILE after its name names. */
async function textOrFile(read: Reader, readFile: ReadFile, name: string): Promise<string | undefined> {
  const path = read.text(`${name}_FILE`);
  if (path === undefined) return read.text(name);
  if (read.text(name) !== undefined) throw new ConfigError(`${name} and ${name}_FILE are both set: set one of them`);
  return readFile(path).catch((error: Error) => {
    throw new ConfigError(`${name}_FILE: ${error.message}`);
  });
}

async function tlsOf(read: Reader, readFile: (path: string) => Promise<string>): Promise<Secrets["tls"]> {
  const keyFile = read.text("SESSIOND_TLS_KEY_FILE");
  const certFile = read.text("SESSIOND_TLS_CERT_FILE");
  if (!keyFile && !certFile) return undefined;
  if (!keyFile) throw new ConfigError("SESSIOND_TLS_CERT_FILE is set, but SESSIOND_TLS_KEY_FILE is not");
  if (!certFile) throw new ConfigError("SESSIOND_TLS_KEY_FILE is set, but SESSIOND_TLS_CERT_FILE is not");
  const open = (name: string, path: string) =>
    readFile(path).catch((error: Error) => {
      throw new ConfigError(`${name}: ${error.message}`);
    });
  return { key: await open("SESSIOND_TLS_KEY_FILE", keyFile), cert: await open("SESSIOND_TLS_CERT_FILE", certFile) };
}

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

function globalWebhookOf(read: Reader): GlobalWebhook | undefined {
  const url = read.url("WHATSAPP_HOOK_URL", ["http:", "https:"]);
  if (!url) return undefined;
  return {
    url,
    events: read.text("WHATSAPP_HOOK_EVENTS") ? read.list("WHATSAPP_HOOK_EVENTS") : ["*"],
    hmacKey: read.text("WHATSAPP_HOOK_HMAC_KEY"),
    hmacPreviousKey: read.text("SESSIOND_HOOK_HMAC_PREVIOUS_KEY"),
    policy: read.oneOf("WHATSAPP_HOOK_RETRIES_POLICY", ["constant", "linear", "exponential"] as const),
    delaySeconds: read.number("WHATSAPP_HOOK_RETRIES_DELAY_SECONDS", 0, 3600),
    attempts: read.integer("WHATSAPP_HOOK_RETRIES_ATTEMPTS", 0, 100),
    customHeaders: read.list("WHATSAPP_HOOK_CUSTOM_HEADERS", ";").map((pair) => {
      const colon = pair.indexOf(":");
      if (colon < 1) throw new ConfigError("WHATSAPP_HOOK_CUSTOM_HEADERS must read Name:Value;Name:Value");
      return { name: pair.slice(0, colon).trim(), value: pair.slice(colon + 1).trim() };
    }),
  };
}

function proxiesOf(read: Reader): Secrets["proxies"] {
  const one = read.text("WHATSAPP_PROXY_SERVER");
  const list = read.list("WHATSAPP_PROXY_SERVER_LIST");
  return {
    servers: list.length === 0 && one ? [one] : list,
    username: read.text("WHATSAPP_PROXY_SERVER_USERNAME"),
    password: read.text("WHATSAPP_PROXY_SERVER_PASSWORD"),
    indexPrefix: read.text("WHATSAPP_PROXY_SERVER_INDEX_PREFIX"),
  };
}

type Reader = ReturnType<typeof reader>;

/** Typed access to variables; an empty one counts as not set, as in a compose file. */
function reader(env: Environment) {
  const text = (name: string) => env[name] || undefined;
  const number = (name: string, min: number, max: number) => {
    const value = text(name);
    if (value === undefined) return undefined;
    const result = Number(value);
    if (!(result >= min && result <= max)) throw new ConfigError(`${name} must be a number from ${min} to ${max}`);
    return result;
  };
  return {
    text,
    number,
    integer(name: string, min: number, max: number) {
      const value = number(name, min, max);
      if (value !== undefined && !Number.isInteger(value)) throw new ConfigError(`${name} must be a whole number`);
      return value;
    },
    boolean(name: string, fallback: boolean) {
      const value = text(name)?.toLowerCase();
      if (value === undefined) return fallback;
      if (["true", "1", "yes", "on"].includes(value)) return true;
      if (["false", "0", "no", "off"].includes(value)) return false;
      throw new ConfigError(`${name} must be true or false`);
    },
    oneOf<T extends string>(name: string, values: readonly T[]): T | undefined {
      const value = text(name);
      const found = values.find((known) => known.toLowerCase() === value?.toLowerCase());
      if (value !== undefined && found === undefined)
        throw new ConfigError(`${name} must be one of ${values.join(", ")}`);
      return found;
    },
    list(name: string, separator = ",") {
      return (text(name) ?? "")
        .split(separator)
        .map((item) => item.trim())
        .filter((item) => item !== "");
    },
    url(name: string, protocols: readonly string[]) {
      const value = text(name);
      if (value !== undefined && !protocols.includes(URL.parse(value)?.protocol ?? "")) {
        throw new ConfigError(`${name} must be a URL that begins with ${protocols.map((p) => `${p}//`).join(" or ")}`);
      }
      return value;
    },
  };
}
