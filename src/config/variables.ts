import { maxRetries, maxRetryDelaySeconds } from "../domain/config-violations.ts";
import { retryPolicies } from "../domain/delivery.ts";
import { ignore } from "./ignore-variables.ts";
import { days, flag, list, number, oneOf, path, seconds, text, trimmed, url, wholeNumber } from "./kinds.ts";
import { media } from "./media-variables.ts";
import {
  apiKey,
  browserArguments,
  headers,
  listenAddress,
  nowebVersion,
  plainApiKey,
  port,
  sessionNames,
  sessionProxies,
  sessionProxy,
} from "./special-kinds.ts";
import { storage } from "./storage-variables.ts";
import { alias, variable } from "./variable.ts";

const access = {
  PORT: variable(port, { description: "Port to listen on.", shownDefault: "3000" }),
  WHATSAPP_API_PORT: alias(port, "PORT"),
  SESSIOND_HOST: variable(listenAddress, {
    description: "Address to listen on.",
    shownDefault: "127.0.0.1; with an API key 0.0.0.0",
  }),
  WHATSAPP_API_HOSTNAME: variable(trimmed, {
    description: "Host name for URLs that point to the server, with a port if need be. Binds nothing.",
    shownDefault: "the address",
  }),
  WAHA_API_KEY: variable(apiKey, {
    description: "API key. Callers send it as `X-Api-Key`, `Authorization: Bearer` or `?x-api-key=`.",
    isSecret: true,
  }),
  WHATSAPP_API_KEY: alias(apiKey, "WAHA_API_KEY", { isSecret: true }),
  WAHA_API_KEY_PLAIN: variable(plainApiKey, {
    description: "The key itself, where `WAHA_API_KEY` is its hash. Both must be the same key.",
    isSecret: true,
  }),
  WAHA_NO_API_KEY: variable(flag, {
    description:
      "Allows calls without a key beyond loopback. Otherwise the first start makes a key, prints it once, and stores its hash in " +
      "`api-key.sha512` in the base directory.",
    default: false,
  }),
  WAHA_API_KEY_EXCLUDE_PATH: variable(list(), {
    description: "REST paths that need no key, besides `/ping` and `/health`. Opens the RPC behind each path as well.",
    default: [],
  }),
  WHATSAPP_API_KEY_EXCLUDE_PATH: alias(list(), "WAHA_API_KEY_EXCLUDE_PATH"),
  SESSIOND_ALLOWED_HOSTS: variable(list(), {
    description:
      "Host names that a keyless server on loopback answers to, besides localhost, such as that of a reverse proxy. " +
      "`.example.com` stands for that name and all names below it.",
    default: [],
  }),
  SESSIOND_CORS_ORIGIN: variable(list(), {
    description:
      "Origins that browsers may call from. Those listed may send credentials. A keyless server on loopback admits only the listed " +
      "and the local ones.",
    default: ["*"],
  }),
  SESSIOND_TLS_KEY_FILE: variable(path, {
    description: "PEM file with the private key. With `SESSIOND_TLS_CERT_FILE`, the port speaks TLS.",
  }),
  SESSIOND_TLS_CERT_FILE: variable(path, { description: "PEM file with the certificate chain." }),
};

const sessions = {
  WHATSAPP_DEFAULT_ENGINE: variable(oneOf("NOWEB", "WEBJS"), {
    description: "Engine of sessions that name none.",
    default: "NOWEB",
  }),
  WHATSAPP_START_SESSION: variable(sessionNames, {
    description: "Sessions to start at boot. Created if they do not exist.",
    default: [],
  }),
  WAHA_WORKER_RESTART_SESSIONS: variable(flag, {
    description: "Starts the sessions again that ran when the server went down.",
    default: true,
  }),
  WHATSAPP_RESTART_ALL_SESSIONS: variable(flag, { description: "Starts stopped sessions too.", default: false }),
  WAHA_AUTO_START_DELAY_SECONDS: variable(seconds(0, 86_400), {
    description: "Delay before sessions start at boot, in seconds.",
    default: 0,
  }),
  SESSIOND_CONNECTS_PER_SECOND: variable(number(0.01, 10_000), {
    description: "Sessions that begin to connect to WhatsApp per second, at most.",
    default: 20,
  }),
  SESSIOND_MAX_CONNECTING: variable(wholeNumber(1, 100_000), {
    description: "Sessions that are connecting at the same time, at most.",
    default: 64,
  }),
  SESSIOND_SENDS_PER_SECOND: variable(number(0, 10_000), {
    description: "Messages that a session sends per second on average, at most. The others wait. 0 for no limit.",
    default: 1,
  }),
  SESSIOND_SEND_BURST: variable(wholeNumber(1, 10_000), {
    description: "Messages that a session sends at once after a pause, at most.",
    default: 5,
  }),
  WAHA_CLIENT_DEVICE_NAME: variable(text, { description: "Name of the linked device, shown on the phone." }),
  WAHA_CLIENT_BROWSER_NAME: variable(text, { description: "Browser of the linked device, shown on the phone." }),
  WAHA_PRINT_QR: variable(flag, {
    description: "Prints QR codes in the terminal.",
    default: true,
    shownDefault: "true; in the image false",
  }),
  WAHA_WORKER_ID: variable(text, {
    description: "Name of this server, shown by `/api/server/status`.",
    default: "",
    shownDefault: "in a cluster the name of the node",
  }),
  SESSIOND_NODE: variable(trimmed, {
    description: "Name of this node among those that share a database: unique, and the same after a restart.",
    shownDefault: "the host's name",
  }),
  SESSIOND_NODE_URL: variable(url("http:", "https:"), {
    description: "Base URL at which the other nodes reach this one.",
    shownDefault: "the address from which it reaches the database",
  }),
  SESSIOND_BUILD: variable(trimmed, {
    description:
      "Name of what this node runs beside its version, such as a hash of its settings: a node that stops hands its sessions to those " +
      "of the build that has come last.",
    default: "",
  }),
  SESSIOND_DRAIN: variable(oneOf("handoff", "return"), {
    description:
      "Sessions of a node that stops: `handoff` gives them to the other nodes, `return` leaves them to its next start for 60 s.",
    default: "handoff",
  }),
};

const proxies = {
  WHATSAPP_PROXY_SERVER: variable(sessionProxy, { description: "Proxy of sessions that configure none." }),
  WHATSAPP_PROXY_SERVER_USERNAME: variable(text, { description: "User name for it." }),
  WHATSAPP_PROXY_SERVER_PASSWORD: variable(text, { description: "Password for it.", isSecret: true }),
  WHATSAPP_PROXY_SERVER_LIST: variable(sessionProxies, {
    description: "Several proxies in place of one. A session always uses the same one, chosen by its name.",
    default: [],
  }),
  WHATSAPP_PROXY_SERVER_INDEX_PREFIX: variable(trimmed, {
    description: "With the prefix `user-`, session `user-3` uses proxy number 3 of the list, counted from 0.",
  }),
};

const noweb = {
  SESSIOND_NOWEB_URL: variable(url("ws:", "wss:"), {
    description: "WebSocket address in place of WhatsApp's.",
    shownDefault: "WhatsApp's",
  }),
  SESSIOND_NOWEB_VERSION: variable(nowebVersion, {
    description:
      "Client version: one that is used as it is, or where it is looked up (`auto-web`: at WhatsApp; `auto-baileys`: in Baileys' " +
      "repository).",
    shownDefault: "Baileys' own, until WhatsApp refuses it",
  }),
  WAHA_NOWEB_WA_VERSION: alias(nowebVersion, "SESSIOND_NOWEB_VERSION"),
  SESSIOND_NOWEB_VERSION_URL: variable(url("http:", "https:"), {
    description: "Address to look the version up at, in place of the usual one.",
  }),
  SESSIOND_NOWEB_FAST_CURVE: variable(flag, {
    description: "Makes signatures with WebAssembly in place of Baileys' JavaScript.",
    default: true,
  }),
};

const webjs = {
  SESSIOND_CHROME_PATH: variable(path, {
    description: "Browser of WEBJS sessions.",
    shownDefault: "a Chrome or Chromium of the system, else the one from npm",
  }),
  WAHA_WEBJS_PUPPETER_ARGS: variable(browserArguments, {
    description: "More arguments for the browser. Spelled as in WAHA.",
    default: [],
  }),
};

const hook = {
  WHATSAPP_HOOK_URL: variable(trimmed, {
    description: "URL of a webhook for every session. The other variables of this table have no effect without it.",
  }),
  WHATSAPP_HOOK_EVENTS: variable(list(), { description: "Events to post.", shownDefault: "all", default: [] }),
  WHATSAPP_HOOK_HMAC_KEY: variable(text, { description: "Key that signs each request.", isSecret: true }),
  SESSIOND_HOOK_HMAC_PREVIOUS_KEY: variable(text, {
    description: "Former key, which signs each request as well while receivers change to the new one.",
    isSecret: true,
  }),
  WHATSAPP_HOOK_RETRIES_POLICY: variable(oneOf(...retryPolicies), {
    description: "Growth of the delay between retries.",
  }),
  WHATSAPP_HOOK_RETRIES_DELAY_SECONDS: variable(number(0, maxRetryDelaySeconds), {
    description: "Delay before the first retry, in seconds.",
  }),
  WHATSAPP_HOOK_RETRIES_ATTEMPTS: variable(wholeNumber(0, maxRetries), { description: "Retries, at most." }),
  WHATSAPP_HOOK_CUSTOM_HEADERS: variable(headers, {
    description: "Headers of each request.",
    default: [],
    isSecret: true,
  }),
};

const proxyOfWebhooks = (urls: string) =>
  variable(text, {
    description: `HTTP proxy of webhooks to ${urls} URLs: \`http://user:password@host:port\`. The lower-case name goes first.`,
    isSecret: true,
  });

const delivery = {
  SESSIOND_WEBHOOK_GUARD: variable(flag, {
    description: "Refuses webhooks to private addresses, and files (`file.url`) from them.",
    shownDefault: "true; for webhooks, true beyond loopback",
  }),
  SESSIOND_WEBHOOK_ALLOW: variable(list(), {
    description: "CIDR blocks, addresses and host names that the guard allows.",
    default: [],
  }),
  HTTP_PROXY: proxyOfWebhooks("http"),
  http_proxy: alias(text, "HTTP_PROXY", { isSecret: true }),
  HTTPS_PROXY: proxyOfWebhooks("https"),
  https_proxy: alias(text, "HTTPS_PROXY", { isSecret: true }),
  NO_PROXY: variable(text, {
    description:
      "Hosts that webhooks reach without a proxy: `name` (with all names below it), `*.name`, `name:port`, addresses, CIDR blocks, `*`.",
  }),
  no_proxy: alias(text, "NO_PROXY"),
  NODE_EXTRA_CA_CERTS: variable(path, {
    description:
      "PEM file with private certificate authorities, for receivers and proxies. Node reads it at the start.",
    isReadElsewhere: true,
  }),
};

const retained = (what: string, maxCount: number) =>
  variable(wholeNumber(0, 10_000_000), { description: `${what} per session, at most.`, default: maxCount });
const retainedDays = (what: string, maxDays: number) =>
  variable(days(0, 3_650), { description: `Age of ${what}, at most, in days.`, default: maxDays * 86_400_000 });

const retention = {
  SESSIOND_EVENT_LOG_MAX: retained("Events in the log", 10_000),
  SESSIOND_EVENT_LOG_MAX_AGE_DAYS: retainedDays("events in the log", 7),
  SESSIOND_DELIVERY_LOG_MAX: retained("Delivered webhooks in the log", 1_000),
  SESSIOND_DELIVERY_LOG_MAX_AGE_DAYS: retainedDays("delivered webhooks in the log", 7),
  SESSIOND_DEAD_LETTERS_MAX: retained("Webhooks that were given up, and can be sent again,", 10_000),
  SESSIOND_DEAD_LETTERS_MAX_AGE_DAYS: retainedDays("webhooks that were given up", 30),
  SESSIOND_SENT_MESSAGES_MAX: retained(
    "Sent messages, which are kept for recipients that ask for them again and for repeated requests,",
    10_000,
  ),
  SESSIOND_SENT_MESSAGES_MAX_AGE_DAYS: retainedDays("sent messages", 14),
};

const limits = {
  SESSIOND_STREAM_HEARTBEAT_SECONDS: variable(seconds(0.1, 3_600), {
    description: "Interval at which a quiet stream sends the server's time, in seconds.",
    default: 15_000,
  }),
  SESSIOND_STREAM_MAX_AGE_SECONDS: variable(seconds(1, 2_592_000), {
    description: "Age at which a stream ends, in seconds. Clients resume it.",
    default: 86_400_000,
  }),
  SESSIOND_MAX_STREAMS: variable(wholeNumber(1, 1_000_000), { description: "Open streams, at most.", default: 20_000 }),
  SESSIOND_MAX_STREAMS_PER_CONNECTION: variable(wholeNumber(1, 1_000_000), {
    description: "Open calls and streams on one HTTP/2 connection, at most.",
    default: 1_024,
  }),
  SESSIOND_KEEP_ALIVE_SECONDS: variable(seconds(0, 86_400), {
    description:
      "Time until an HTTP/1.1 connection without a request is closed, in seconds; 0 for no limit. Set it longer than your load " +
      "balancer keeps its own connections.",
    default: 620_000,
  }),
  SESSIOND_HTTP2_IDLE_SECONDS: variable(seconds(0, 86_400), {
    description: "The same for HTTP/2 connections without a stream.",
    default: 620_000,
  }),
  SESSIOND_HTTP2_PING_SECONDS: variable(seconds(1, 3_600), {
    description:
      "Interval of pings on HTTP/2 connections, in seconds. A peer that does not answer within 8 s is cut off.",
    default: 10_000,
  }),
  SESSIOND_MAX_BODY_BYTES: variable(wholeNumber(1, 2 ** 31), {
    description: "Size of a REST request's body, at most.",
    shownDefault: "`10485760`; `52428800` for calls that send a file",
  }),
  WAHA_HTTP_STRICT_MODE: variable(flag, { description: "Refuses unknown fields in REST requests.", default: false }),
  SESSIOND_SHOW_SECRETS: variable(flag, { description: "Answers with secrets in clear, not `***`.", default: false }),
};

const dashboard = {
  SESSIOND_DASHBOARD: variable(oneOf("on", "readonly", "off"), {
    description:
      "Serves the dashboard at `/dashboard`, and `/pair` for the owners of phones. With `readonly` it shows everything but codes, and " +
      "changes nothing.",
    default: "on",
  }),
  WAHA_DASHBOARD_ENABLED: variable(flag, { description: "`false` is `SESSIOND_DASHBOARD=off`.", default: true }),
  WAHA_DASHBOARD_USERNAME: variable(text, {
    description: "User name for a login without the API key.",
    shownDefault: "admin",
  }),
  WAHA_DASHBOARD_PASSWORD: variable(text, {
    description: "Password for a login without the API key. Without it, only the key logs in.",
    isSecret: true,
  }),
};

const observation = {
  WAHA_LOG_LEVEL: variable(oneOf("trace", "debug", "info", "warn", "error", "fatal", "silent"), {
    description: "Lowest level of log lines.",
    default: "info",
  }),
  WAHA_LOG_FORMAT: variable(oneOf("PRETTY", "JSON"), {
    description: "Log lines for people, or one JSON object per line.",
    default: "PRETTY",
    shownDefault: "PRETTY; in the image JSON",
  }),
  DEBUG: variable(trimmed, {
    description:
      "`true` or `1` sets the log level to debug. Any other value is for the library [debug](https://www.npmjs.com/package/debug); " +
      "`puppeteer:protocol:*` shows the browsers' traffic, with messages and QR codes.",
  }),
  WHATSAPP_SWAGGER_ENABLED: variable(flag, {
    description: "Serves Swagger UI and the OpenAPI document.",
    default: true,
  }),
  WHATSAPP_SWAGGER_USERNAME: variable(text, { description: "User name for these pages (HTTP Basic)." }),
  WHATSAPP_SWAGGER_PASSWORD: variable(text, {
    description: "Password for these pages. Set both or none.",
    isSecret: true,
  }),
  SESSIOND_METRICS: variable(flag, {
    description: "Serves Prometheus metrics at `/metrics`, behind the API key.",
    shownDefault: "true with a key",
  }),
  SESSIOND_REFLECTION: variable(flag, {
    description: "Serves gRPC server reflection.",
    shownDefault: "true on loopback",
  }),
  SESSIOND_BLOCKED_LIMIT_SECONDS: variable(seconds(0, 86_400), {
    description: "Time for which the event loop may stand still until the process is killed, in seconds; 0 for never.",
    default: 60_000,
  }),
  PATH: variable(text, { description: "Directories in which WEBJS looks for a browser.", isHidden: true }),
};

/** All variables, by the heading that the documentation puts them under. */
export const sections = {
  "Address and access": access,
  Storage: storage,
  Sessions: { ...sessions, ...ignore },
  "Proxies of sessions": proxies,
  "Files of messages": media,
  NOWEB: noweb,
  WEBJS: webjs,
  "The webhook of all sessions": hook,
  "Delivery of webhooks": delivery,
  "Retention of logs": retention,
  "Connections and requests": limits,
  Dashboard: dashboard,
  "Logs, documentation and metrics": observation,
} as const;

/** All variables by name. The server reads no others. */
export const variables = {
  ...access,
  ...storage,
  ...sessions,
  ...ignore,
  ...proxies,
  ...media,
  ...noweb,
  ...webjs,
  ...hook,
  ...delivery,
  ...retention,
  ...limits,
  ...dashboard,
  ...observation,
};

/** The name of a variable. */
export type VariableName = keyof typeof variables;

/** The value of a variable, its default included. */
export type ValueOf<N extends VariableName> = (typeof variables)[N]["fallback"];
