import type { WebhookConfig } from "../../gen/sessiond/v1/session_pb.js";
import type { ProxyPool } from "../domain/proxy.ts";
import type { Reader } from "./environment.ts";
import { globalWebhookOf } from "./global-webhook.ts";
import { ConfigError } from "./kinds.ts";
import { proxiesOf } from "./proxies.ts";
import { readWebhookProxies, type WebhookProxies } from "./webhook-proxies.ts";

/** Settings that logs and answers never show. */
export interface Secrets {
  /** The API key, or "sha512:" and its hash in hexadecimal. */
  readonly apiKey: string | undefined;
  /** Login for the documentation; undefined if it is open to everybody. */
  readonly docsLogin: { readonly username: string; readonly password: string } | undefined;
  /** Login for the dashboard beside the API key; undefined for the key alone. */
  readonly dashboardLogin: { readonly username: string; readonly password: string } | undefined;
  /** Keys that seal the store, 32 bytes each. Only the current one seals; undefined for a store that is not sealed. */
  readonly sealKeys: { readonly current: Uint8Array; readonly previous: readonly Uint8Array[] } | undefined;
  /** URL of the database that holds the store, with its login; undefined for a store in the data directory. */
  readonly postgresUrl: string | undefined;
  /** PEM texts for TLS; undefined for cleartext. */
  readonly tls: { readonly key: string; readonly cert: string } | undefined;
  /** Webhook of every session. */
  readonly globalWebhook: WebhookConfig | undefined;
  /** Proxies of sessions that configure none. */
  readonly proxies: ProxyPool;
  /** Proxies of webhooks. */
  readonly webhookProxies: WebhookProxies;
}

/** Resolves to the text of a file. */
export type ReadFile = (path: string) => Promise<string>;

/** Reads the secrets; the caller has read `apiKey`. Rejects with ConfigError. */
export async function readSecrets(read: Reader, apiKey: string | undefined, readFile: ReadFile): Promise<Secrets> {
  return {
    apiKey,
    docsLogin: docsLoginOf(read),
    dashboardLogin: dashboardLoginOf(read),
    sealKeys: await sealKeysOf(read, readFile),
    postgresUrl: read.get("SESSIOND_STORE"),
    tls: await tlsOf(read, readFile),
    globalWebhook: globalWebhookOf(read),
    proxies: proxiesOf(read),
    webhookProxies: readWebhookProxies(read),
  };
}

function docsLoginOf(read: Reader): Secrets["docsLogin"] {
  const username = read.get("WHATSAPP_SWAGGER_USERNAME");
  const password = read.get("WHATSAPP_SWAGGER_PASSWORD");
  if (username === undefined && password === undefined) return undefined;
  if (username === undefined || password === undefined) {
    throw new ConfigError("WHATSAPP_SWAGGER_USERNAME and WHATSAPP_SWAGGER_PASSWORD go together: set both or none");
  }
  return { username, password };
}

/** The user name of WAHA's dashboard unless another is set. */
const defaultDashboardUsername = "admin";

function dashboardLoginOf(read: Reader): Secrets["dashboardLogin"] {
  const username = read.get("WAHA_DASHBOARD_USERNAME");
  const password = read.get("WAHA_DASHBOARD_PASSWORD");
  if (password !== undefined) return { username: username ?? defaultDashboardUsername, password };
  if (username !== undefined) {
    read.warn(
      "WAHA_DASHBOARD_USERNAME",
      "has no effect without WAHA_DASHBOARD_PASSWORD: set both, or log in with the key",
    );
  }
  return undefined;
}

async function sealKeysOf(read: Reader, readFile: ReadFile): Promise<Secrets["sealKeys"]> {
  const name = "SESSIOND_SECRET_KEY";
  const text = await textOrFile(read, readFile, name);
  const previous = await textOrFile(read, readFile, "SESSIOND_SECRET_KEY_PREVIOUS");
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

/** Returns the value of a variable, or the text of the file that the variable with the suffix _FILE names. */
async function textOrFile(
  read: Reader,
  readFile: ReadFile,
  name: "SESSIOND_SECRET_KEY" | "SESSIOND_SECRET_KEY_PREVIOUS",
): Promise<string | undefined> {
  const path = read.get(`${name}_FILE`);
  if (path === undefined) return read.get(name);
  if (read.has(name)) throw new ConfigError(`${name} and ${name}_FILE are both set: set one of them`);
  return readFile(path).catch((error: Error) => {
    throw new ConfigError(`${name}_FILE: ${error.message}`);
  });
}

async function tlsOf(read: Reader, readFile: ReadFile): Promise<Secrets["tls"]> {
  const keyFile = read.get("SESSIOND_TLS_KEY_FILE");
  const certFile = read.get("SESSIOND_TLS_CERT_FILE");
  if (!keyFile && !certFile) return undefined;
  if (!keyFile) throw new ConfigError("SESSIOND_TLS_CERT_FILE is set, but SESSIOND_TLS_KEY_FILE is not");
  if (!certFile) throw new ConfigError("SESSIOND_TLS_KEY_FILE is set, but SESSIOND_TLS_CERT_FILE is not");
  const open = (name: string, path: string) =>
    readFile(path).catch((error: Error) => {
      throw new ConfigError(`${name}: ${error.message}`);
    });
  return { key: await open("SESSIOND_TLS_KEY_FILE", keyFile), cert: await open("SESSIOND_TLS_CERT_FILE", certFile) };
}
