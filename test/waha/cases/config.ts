import { including, json, sessionNotFound, violations, withKeys } from "../expectations.ts";
import { type CaseGroup, get, post, type RestCase, sessionPath } from "../rest-case.ts";

const asSent = "WAHA shows a configuration as it was sent";
const create = (config: unknown) => post("/api/sessions", { name: "{session}", start: false, config });

/**
 * Creates a case of a configuration that is refused with these violations. `byWaha` has WAHA's: "same", other paths, or
 * undefined if WAHA does not check.
 */
function refused(
  name: string,
  config: unknown,
  paths: readonly string[],
  byWaha?: "same" | readonly string[],
): RestCase {
  return {
    name: `${name} is refused`,
    request: create(config),
    expect: violations(...paths),
    after: [{ request: get(sessionPath), expect: sessionNotFound }],
    ...(byWaha === undefined && { onlySessiond: "WAHA does not check this" }),
    ...(Array.isArray(byWaha) && { waha: { expect: violations(...byWaha), because: "WAHA names another path" } }),
  };
}

const url = "https://example.com/hook";
const hook = (extra: object) => ({ webhooks: [{ url, events: ["message"], ...extra }] });
const header = (name: unknown, value: unknown) => hook({ customHeaders: [{ name, value }] });
const first = "config.webhooks.0";
const headerName = `${first}.customHeaders.0.name`;
const headerValue = `${first}.customHeaders.0.value`;

const badUrls: readonly [string, unknown][] = [
  ["without a scheme", "example.com/hook"],
  ["of another scheme", "ftp://example.com/hook"],
  ["that is a script", "javascript:alert(1)"],
  ["without a host", "http://"],
  ["that is empty", ""],
];

const badServers: readonly [string, string][] = [
  ["with http://", "http://localhost:3128"],
  ["with https://", "https://localhost:3128"],
  ["with socks4://", "socks4://localhost:1080"],
  ["without a port", "localhost"],
  ["without a host", ":3128"],
  ["with a port out of range", "localhost:65536"],
  ["with a port that is a word", "localhost:http"],
  ["that is empty", ""],
];

const badHeaderNames: readonly string[] = [
  "",
  "Two Words",
  "X-Ünicode",
  "X:Y",
  "Host",
  "content-length",
  "Transfer-Encoding",
  "CONNECTION",
  "X-Webhook-Hmac",
  "x-webhook-anything",
];

const badRetries: readonly [string, object, string][] = [
  ["a delay below 0", { delaySeconds: -1 }, "delaySeconds"],
  ["a delay above 3600", { delaySeconds: 3601 }, "delaySeconds"],
  ["attempts below 0", { attempts: -1 }, "attempts"],
  ["attempts above 100", { attempts: 101 }, "attempts"],
  ["attempts that are no whole number", { attempts: 1.5 }, "attempts"],
];

/** Configurations that POST /api/sessions refuses. */
export const configViolationCases: CaseGroup = {
  title: "config, refused",
  cases: [
    ...badUrls.map(([what, value]) =>
      refused(
        `a webhook URL ${what}`,
        { webhooks: [{ url: value, events: ["message"] }] },
        [`${first}.url must be a URL address`],
        value === "ftp://example.com/hook" ? undefined : "same",
      ),
    ),
    refused("a webhook without a URL", { webhooks: [{ events: ["message"] }] }, [`${first}.url`], "same"),
    refused(
      "a webhook URL that is a number",
      { webhooks: [{ url: 7, events: ["message"] }] },
      [`${first}.url`],
      "same",
    ),
    refused(
      "an unknown event",
      hook({ events: ["message", "message.imagined"] }),
      [`${first}.events.1`],
      [`${first}.each`],
    ),
    refused("an event that is a number", hook({ events: [1] }), [`${first}.events.0`], [`${first}.each`]),
    refused("events that are no array", hook({ events: "message" }), [`${first}.events must be an array`], "same"),
    refused("webhooks that are no array", { webhooks: {} }, ["config.webhooks must be an array"], "same"),
    refused("a webhook that is a text", { webhooks: ["https://example.com"] }, [first], ["config.each"]),
    refused(
      "a second webhook with a fault",
      {
        webhooks: [
          { url, events: ["message"] },
          { url: "x", events: ["message"] },
        ],
      },
      ["config.webhooks.1.url must be a URL address"],
      "same",
    ),
    refused("an HMAC key that is a number", hook({ hmac: { key: 5 } }), [`${first}.hmac.key must be a string`], "same"),
    refused("an HMAC that is a text", hook({ hmac: "secret" }), [`${first}.hmac`], [`${first}.nested`]),
    ...badRetries.map(([what, retries, field]) => refused(what, hook({ retries }), [`${first}.retries.${field}`])),
    refused(
      "a delay that is a word",
      hook({ retries: { delaySeconds: "soon" } }),
      [`${first}.retries.delaySeconds`],
      "same",
    ),
    refused("an unknown policy", hook({ retries: { policy: "wild" } }), [`${first}.retries.policy`], "same"),
    ...badHeaderNames.map((name) => refused(`the header name "${name}"`, header(name, "v"), [headerName])),
    refused("a header name that is a number", header(1, "v"), [`${headerName} must be a string`], "same"),
    refused("a header value with CR and LF", header("X-A", "v\r\nX-B: w"), [headerValue]),
    refused("a header value with NUL", header("X-A", "v\u0000"), [headerValue]),
    refused("a header value that is a number", header("X-A", 1), [`${headerValue} must be a string`], "same"),
    refused(
      "custom headers that are no array",
      hook({ customHeaders: { a: "b" } }),
      [`${first}.customHeaders must be an array`],
      "same",
    ),
    ...badServers.map(([what, server]) =>
      refused(`a proxy server ${what}`, { proxy: { server } }, ["config.proxy.server"]),
    ),
    refused("a proxy without a server", { proxy: { username: "u" } }, ["config.proxy.server"], "same"),
    refused(
      "a proxy server that is a number",
      { proxy: { server: 1 } },
      ["config.proxy.server must be a string"],
      "same",
    ),
    refused(
      "a proxy user name that is a number",
      { proxy: { server: "localhost:1", username: 1 } },
      ["config.proxy.username must be a string"],
      "same",
    ),
    refused(
      "a proxy password that is a boolean",
      { proxy: { server: "localhost:1", password: true } },
      ["config.proxy.password must be a string"],
      "same",
    ),
    refused("a proxy that is a text", { proxy: "localhost:1" }, ["config.proxy"], ["config.nested"]),
    refused("metadata with a number", { metadata: { "user.id": 5 } }, ["config.metadata.user.id"], ["config.metadata"]),
    refused(
      "metadata with an object",
      { metadata: { user: { id: "5" } } },
      ["config.metadata.user"],
      ["config.metadata"],
    ),
    refused("metadata that is an array", { metadata: ["a"] }, ["config.metadata must be an object"]),
    refused("metadata that is a text", { metadata: "a" }, ["config.metadata must be an object"], ["config.metadata"]),
    refused("debug that is a text", { debug: "true" }, ["config.debug must be a boolean value"], "same"),
    refused("debug that is a number", { debug: 1 }, ["config.debug must be a boolean value"], "same"),
    refused(
      "a store switch that is a text",
      { noweb: { store: { enabled: "yes", fullSync: false } } },
      ["config.noweb.store.enabled must be a boolean value"],
      "same",
    ),
    refused(
      "a full sync that is a number",
      { noweb: { store: { enabled: true, fullSync: 1 } } },
      ["config.noweb.store.fullSync must be a boolean value"],
      "same",
    ),
    refused("markOnline that is a text", { noweb: { markOnline: "no" } }, ["config.noweb.markOnline"], "same"),
    refused("a noweb that is a boolean", { noweb: true }, ["config.noweb"], ["config.nested"]),
    refused("a config that is an array of something", [{}], ["config"]),
    refused(
      "everything at once",
      {
        debug: "yes",
        proxy: { server: "http://localhost:1" },
        metadata: { a: 1 },
        noweb: { markOnline: "no" },
        webhooks: [
          {
            url: "nowhere",
            events: ["message.imagined"],
            retries: { attempts: 1000, delaySeconds: -1, policy: "wild" },
            customHeaders: [{ name: "Host", value: "a\nb" }],
          },
        ],
      },
      [
        "config.debug must be a boolean value",
        "config.proxy.server",
        "config.metadata.a",
        "config.noweb.markOnline must be a boolean value",
        `${first}.url must be a URL address`,
        `${first}.events.0`,
        `${first}.retries.attempts`,
        `${first}.retries.delaySeconds`,
        `${first}.retries.policy`,
        headerName,
        headerValue,
      ],
    ),
  ],
};

/** Creates a case of a configuration that is accepted, with its form in answers. */
function accepted(name: string, config: object, shown: object): RestCase {
  const base = { proxy: null, webhooks: [], debug: false };
  const { metadata, proxy, webhooks, debug, noweb } = { ...base, ...shown } as Record<string, unknown>;
  const inOrder = { ...(metadata ? { metadata } : {}), proxy, webhooks, debug, ...(noweb ? { noweb } : {}) };
  return {
    name,
    request: create(config),
    expect: json(201, withKeys({ name: "{session}", config: inOrder })),
    waha: { expect: json(201, including({ config })), because: asSent },
    after: [
      {
        request: get(sessionPath),
        expect: json(200, withKeys({ name: "{session}", config: inOrder })),
        waha: { expect: json(200, including({ config })), because: asSent },
      },
    ],
  };
}

const shownHook = (extra: object = {}) => {
  const {
    url: at,
    events,
    hmac,
    retries,
    customHeaders,
  } = {
    url,
    events: ["message"],
    hmac: null,
    retries: null,
    customHeaders: null,
    ...extra,
  };
  return { webhooks: [{ url: at, events, hmac, retries, customHeaders }] };
};

// Written out, because the suite must not take the list from the code under test.
const allEvents = [
  "session.status message message.reaction message.any message.ack message.waiting message.revoked",
  "state.change group.join group.leave presence.update poll.vote poll.vote.failed chat.archive",
  "call.received call.accepted call.rejected label.upsert label.deleted label.chat.added",
  "label.chat.deleted message.edited message.ack.group group.v2.join group.v2.leave group.v2.update",
  "group.v2.participants event.response event.response.failed engine.event",
].flatMap((names) => names.split(" "));

const nowebDefaults = { markOnline: true, store: { enabled: false, fullSync: false } };
const secretHeader = { name: "Authorization", value: "Bearer hunter2" };

/** Forms of accepted configurations in answers. */
export const configShownCases: CaseGroup = {
  title: "config, accepted and shown",
  cases: [
    accepted("an empty config is shown with its nulls and defaults", {}, {}),
    accepted("debug is shown", { debug: true }, { debug: true }),
    accepted(
      "metadata comes first, its keys with their dots",
      { metadata: { "user.id": "123" } },
      {
        metadata: { "user.id": "123" },
      },
    ),
    accepted("noweb without anything has all its defaults", { noweb: {} }, { noweb: nowebDefaults }),
    accepted(
      "noweb with a store has markOnline filled in",
      { noweb: { store: { enabled: true, fullSync: false } } },
      {
        noweb: { markOnline: true, store: { enabled: true, fullSync: false } },
      },
    ),
    accepted(
      "noweb with markOnline false keeps it",
      { noweb: { markOnline: false } },
      {
        noweb: { ...nowebDefaults, markOnline: false },
      },
    ),
    accepted("a webhook is shown with its nulls", hook({}), shownHook()),
    accepted("nulls in a webhook are no values", hook({ hmac: null, retries: null, customHeaders: null }), shownHook()),
    accepted("a null proxy is no proxy", { proxy: null }, {}),
    accepted("an empty array is an empty config", [], {}),
    accepted("an empty array is empty metadata", { metadata: [] }, {}),
    accepted("a key that is null is no hmac", hook({ hmac: { key: null } }), shownHook()),
    accepted("an empty array is no hmac", hook({ hmac: [] }), shownHook()),
    accepted(
      "retries that are all null are none",
      hook({ retries: { delaySeconds: null, attempts: null, policy: null } }),
      shownHook(),
    ),
    accepted("all 21 events are accepted", hook({ events: allEvents }), shownHook({ events: allEvents })),
    {
      ...accepted("* stands for all events", hook({ events: ["*"] }), shownHook({ events: ["*"] })),
      onlySessiond: "WAHA knows * in its environment only",
    },
    accepted("retries are shown as they were sent", hook({ retries: { delaySeconds: 2, attempts: 15 } }), {
      ...shownHook({ retries: { delaySeconds: 2, attempts: 15 } }),
    }),
    accepted(
      "retries have limits that are allowed",
      hook({ retries: { delaySeconds: 3600, attempts: 100, policy: "linear" } }),
      {
        ...shownHook({ retries: { delaySeconds: 3600, attempts: 100, policy: "linear" } }),
      },
    ),
    accepted("retries of 0 are shown", hook({ retries: { delaySeconds: 0, attempts: 0, policy: "exponential" } }), {
      ...shownHook({ retries: { delaySeconds: 0, attempts: 0, policy: "exponential" } }),
    }),
    accepted("a custom header is shown", header("X-My-Custom-Header", "Value"), {
      ...shownHook({ customHeaders: [{ name: "X-My-Custom-Header", value: "Value" }] }),
    }),
    accepted("an HMAC key is masked", hook({ hmac: { key: "hunter2" } }), shownHook({ hmac: { key: "***" } })),
    accepted("the value of a header that carries a credential is masked", hook({ customHeaders: [secretHeader] }), {
      ...shownHook({ customHeaders: [{ name: "Authorization", value: "***" }] }),
    }),
    accepted(
      "a proxy is shown, nothing made up",
      { proxy: { server: "localhost:3128" } },
      {
        proxy: { server: "localhost:3128" },
      },
    ),
    accepted(
      "a proxy's password is masked, its user name is not",
      { proxy: { server: "localhost:3128", username: "username", password: "P@ssw0rd" } },
      { proxy: { server: "localhost:3128", username: "username", password: "***" } },
    ),
    accepted(
      "a socks5 proxy is accepted",
      { proxy: { server: "socks5://localhost:1080" } },
      {
        proxy: { server: "socks5://localhost:1080" },
      },
    ),
    accepted(
      "several webhooks keep their order",
      { webhooks: ["b", "a"].map((path) => ({ url: `https://example.com/${path}`, events: ["message"] })) },
      {
        webhooks: ["b", "a"].map((path) => ({
          url: `https://example.com/${path}`,
          events: ["message"],
          hmac: null,
          retries: null,
          customHeaders: null,
        })),
      },
    ),
    {
      name: "keys such as __proto__ and constructor in metadata are plain keys",
      request: {
        method: "POST",
        path: "/api/sessions",
        rawBody:
          '{"name":"{session}","start":false,"config":{"metadata":{"__proto__":"a","constructor":"b","toString":"c"}}}',
      },
      expect: json(201, ({ text: body }) => {
        for (const pair of ['"__proto__":"a"', '"constructor":"b"', '"toString":"c"']) {
          if (!body.includes(pair)) throw new Error(`${pair} is missing in ${body}`);
        }
      }),
      onlySessiond: "WAHA loses __proto__",
    },
  ],
};
