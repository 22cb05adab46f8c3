import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { createKeyVerifier } from "../../src/adapters/node/api-key.ts";
import { urlOf } from "../../src/config/address.ts";
import { ConfigError, readConfig } from "../../src/config/config.ts";
import { debugFor, homeFor } from "../../src/config/process-environment.ts";

type Env = Readonly<Record<string, string>>;
const read = async (env: Env) => {
  const { config, secrets } = await readConfig(() => Promise.reject(new Error("no file is read")), env);
  return { config, secrets, warnings: config.warnings };
};
const warningsOf = async (env: Env) => (await read(env)).warnings.map(({ variable }) => variable);

/** Checks that the start stops with a message that names the variable and does not repeat the secret. */
async function assertStops(env: Env, variable: string, secret = "s3cret"): Promise<void> {
  await assert.rejects(read(env), (error) => {
    assert.ok(error instanceof ConfigError, String(error));
    assert.ok(error.message.startsWith(variable), error.message);
    assert.ok(!error.message.includes(secret), error.message);
    return true;
  });
}

describe("a value as an env file leaves it", () => {
  const rows: readonly (readonly [value: string, workerId: string, warned: boolean])[] = [
    ['"w1"', "w1", true],
    ["'w1'", "w1", true],
    [' "w1"\r', "w1", true],
    ['"it\'s"', "it's", true],
    ['"', '"', false],
    ['"w1', '"w1', false],
    ["\"w1'", "\"w1'", false],
    ['"w"1"', '"w"1"', false],
    ['""', "", true],
    ["''", "", true],
    ["", "", false],
    [" ", "", false],
  ];
  for (const [value, workerId, warned] of rows) {
    it(`${JSON.stringify(value)} is ${JSON.stringify(workerId)}${warned ? ", with a warning" : ""}`, async () => {
      const { config, warnings } = await read({ WAHA_WORKER_ID: value });
      assert.equal(config.workerId, workerId);
      assert.deepEqual(
        warnings.map(({ variable }) => variable),
        warned ? ["WAHA_WORKER_ID"] : [],
      );
    });
  }

  it("numbers, choices, addresses and keys are read through quotes and a carriage return", async () => {
    const { config, secrets } = await read({
      PORT: '"4000"',
      SESSIOND_HOST: "'0.0.0.0'\r",
      WAHA_LOG_FORMAT: "json\r",
      WAHA_NO_API_KEY: '""',
      WAHA_API_KEY: '"s3cret"\r',
      SESSIOND_NOWEB_URL: "'ws://127.0.0.1:1/'",
    });
    assert.deepEqual(
      [config.port, config.host, config.logFormat, config.nowebUrl, secrets.apiKey],
      [4000, "0.0.0.0", "JSON", "ws://127.0.0.1:1/", "s3cret"],
    );
  });

  it("a warning never shows the value", async () => {
    const { warnings } = await read({ WAHA_API_KEY: '"s3cret"', WHATSAPP_HOOK_HMAC_KEY: "'s3cret'" });
    assert.deepEqual(
      new Set(warnings.map(({ variable }) => variable)),
      new Set(["WAHA_API_KEY", "WHATSAPP_HOOK_HMAC_KEY"]),
    );
    assert.doesNotMatch(JSON.stringify(warnings), /s3cret/);
  });
});

describe("the address", () => {
  it("is SESSIOND_HOST's, and WHATSAPP_API_HOSTNAME is only the name in URLs", async () => {
    const { config } = await read({ SESSIOND_HOST: "127.0.0.9", WHATSAPP_API_HOSTNAME: "wa.example.com" });
    assert.deepEqual([config.host, config.publicHost], ["127.0.0.9", "wa.example.com"]);
    assert.equal((await read({ WHATSAPP_API_HOSTNAME: "wa.example.com" })).config.host, "127.0.0.1");
  });

  it("is told of where WHATSAPP_API_HOSTNAME looks meant to bind", async () => {
    assert.deepEqual(await warningsOf({ WHATSAPP_API_HOSTNAME: "0.0.0.0" }), ["WHATSAPP_API_HOSTNAME"]);
    assert.deepEqual(await warningsOf({ WHATSAPP_API_HOSTNAME: "0.0.0.0", SESSIOND_HOST: "0.0.0.0" }), []);
  });

  for (const host of ["http://0.0.0.0", "0.0.0.0:3000", "a b", "0.0.0.0/"]) {
    it(`cannot be ${host}`, () => assertStops({ SESSIOND_HOST: host }, "SESSIOND_HOST"));
  }

  for (const [host, url] of [
    ["127.0.0.1", "http://127.0.0.1:3000"],
    ["::1", "http://[::1]:3000"],
    ["wa.example.com", "http://wa.example.com:3000"],
    ["wa.example.com:8080", "http://wa.example.com:8080"],
  ] as const) {
    it(`${host} makes the URL ${url}`, () => assert.equal(urlOf("http", host, 3000), url));
  }
});

describe("the port", () => {
  const rows: readonly (readonly [env: Env, port: number, warned: readonly string[]])[] = [
    [{}, 3000, []],
    [{ PORT: "8080" }, 8080, []],
    [{ WHATSAPP_API_PORT: "8080" }, 8080, []],
    [{ PORT: "1", WHATSAPP_API_PORT: "2" }, 1, []],
    [{ PORT: " " }, 3000, []],
    [{ WHATSAPP_API_PORT: "tcp://10.0.0.1:80" }, 3000, ["WHATSAPP_API_PORT"]],
    [{ WHATSAPP_API_PORT: "udp://10.0.0.1:53" }, 3000, ["WHATSAPP_API_PORT"]],
    [{ PORT: "tcp://[fd00::1]:80", WHATSAPP_API_PORT: "8080" }, 8080, ["PORT"]],
    [{ PORT: "0", WHATSAPP_API_PORT: "TCP://10.0.0.1:80" }, 0, ["WHATSAPP_API_PORT"]],
  ];
  for (const [env, port, warned] of rows) {
    it(`with ${JSON.stringify(env)} is ${port}`, async () => {
      assert.equal((await read(env)).config.port, port);
      assert.deepEqual(await warningsOf(env), warned);
    });
  }
  for (const value of ["80a", "70000", "-1", "3000.5", "http://10.0.0.1:80", "0x50", "65536"]) {
    it(`cannot be ${value}`, async () => {
      await assertStops({ PORT: value }, "PORT");
      await assertStops({ WHATSAPP_API_PORT: value }, "WHATSAPP_API_PORT");
    });
  }
});

describe("the API key", () => {
  const plain = "s3cret key";
  const hash = createHash("sha512").update(plain).digest("hex");
  const settings: readonly Env[] = [
    { WAHA_API_KEY: plain },
    { WAHA_API_KEY: `'${plain}'` },
    { WAHA_API_KEY: `sha512:${hash}` },
    { WAHA_API_KEY: `"sha512:${hash.toUpperCase()}"` },
    { WAHA_API_KEY: `SHA512:${hash}` },
    { WAHA_API_KEY: `Sha-512: ${hash} ` },
    { WAHA_API_KEY: `sha512:${hash.slice(0, 64)} ${hash.slice(64)}` },
    { WAHA_API_KEY: hash },
    { WHATSAPP_API_KEY: hash },
    { WAHA_API_KEY_PLAIN: plain },
    { WAHA_API_KEY_PLAIN: plain, WAHA_API_KEY: `sha512:${hash}` },
    { WAHA_API_KEY_PLAIN: plain, WAHA_API_KEY: hash },
    { WAHA_API_KEY_PLAIN: plain, WAHA_API_KEY: plain },
    { WAHA_API_KEY_PLAIN: plain, WHATSAPP_API_KEY: `sha512:${hash}` },
  ];
  for (const env of settings) {
    it(`opens the server to its owner: ${JSON.stringify(env).replaceAll(hash, "HASH").slice(0, 90)}`, async () => {
      const { config, secrets } = await read(env);
      assert.equal(config.access, "key");
      const verify = createKeyVerifier(secrets.apiKey ?? "");
      assert.deepEqual([verify(plain), verify("other"), verify("")], [true, false, false]);
    });
  }

  it("of 128 hexadecimal digits is told of, unless the plain key beside it says which it is", async () => {
    assert.deepEqual(await warningsOf({ WAHA_API_KEY: hash }), ["WAHA_API_KEY"]);
    assert.deepEqual(await warningsOf({ WAHA_API_KEY: hash, WAHA_API_KEY_PLAIN: plain }), []);
    const { secrets, warnings } = await read({ WAHA_API_KEY: hash, WAHA_API_KEY_PLAIN: hash });
    assert.deepEqual([createKeyVerifier(secrets.apiKey ?? "")(hash), warnings], [true, []]);
    const bare = createKeyVerifier((await read({ WAHA_API_KEY: hash })).secrets.apiKey ?? "");
    assert.equal(bare(hash), true);
  });

  const stopped: readonly (readonly [env: Env, variable: string])[] = [
    [{ WAHA_API_KEY_PLAIN: plain, WAHA_API_KEY: `sha512:${"0".repeat(128)}` }, "WAHA_API_KEY"],
    [{ WAHA_API_KEY_PLAIN: plain, WAHA_API_KEY: "0".repeat(128) }, "WAHA_API_KEY"],
    [{ WAHA_API_KEY_PLAIN: plain, WAHA_API_KEY: "another" }, "WAHA_API_KEY"],
    [{ WAHA_API_KEY_PLAIN: `sha512:${hash}` }, "WAHA_API_KEY_PLAIN"],
    [{ WAHA_API_KEY_PLAIN: plain, WAHA_NO_API_KEY: "true" }, "WAHA_API_KEY_PLAIN"],
    [{ WAHA_API_KEY: `SHA512:${hash}0` }, "WAHA_API_KEY"],
    [{ WAHA_API_KEY: `sha512:"${hash}"` }, "WAHA_API_KEY"],
    [{ WAHA_API_KEY: `sha256:${hash.slice(64)}` }, "WAHA_API_KEY"],
    [{ WAHA_API_KEY: `$2b$10$${"a".repeat(53)}` }, "WAHA_API_KEY"],
    [{ WAHA_API_KEY: "s3cret\nsecond line" }, "WAHA_API_KEY"],
    [{ WHATSAPP_API_KEY: "s3\u0000cret" }, "WHATSAPP_API_KEY"],
  ];
  for (const [env, variable] of stopped) {
    it(`stops the start: ${JSON.stringify(env).replaceAll(hash, "HASH").slice(0, 90)}`, () =>
      assertStops(env, variable));
  }
});

describe("a malformed proxy or hook", () => {
  const hook = { WHATSAPP_HOOK_URL: "https://hook.example" };
  const rows: readonly (readonly [env: Env, variable: string])[] = [
    ...["http://proxy:1", "proxy:1/path", "proxy", "proxy:0", "proxy:99999", "u:s3cret@proxy:1", "a:1,b:2"].map(
      (server) => [{ WHATSAPP_PROXY_SERVER: server }, "WHATSAPP_PROXY_SERVER"] as const,
    ),
    [{ WHATSAPP_PROXY_SERVER_LIST: "a:1,,b:2" }, "WHATSAPP_PROXY_SERVER_LIST has an empty item: number 2 of 3"],
    [{ WHATSAPP_PROXY_SERVER_LIST: "a:1," }, "WHATSAPP_PROXY_SERVER_LIST"],
    [{ WHATSAPP_PROXY_SERVER_LIST: "a:1,http://b:2" }, "WHATSAPP_PROXY_SERVER_LIST: item 2"],
    [{ WHATSAPP_PROXY_SERVER_USERNAME: "s3cret" }, "WHATSAPP_PROXY_SERVER_USERNAME"],
    [{ WHATSAPP_PROXY_SERVER_PASSWORD: "s3cret" }, "WHATSAPP_PROXY_SERVER_PASSWORD"],
    ...["hook.example", "ftp://hook.example", "https//hook.example", "http:/hook.example", "http://a b/"].map(
      (url) => [{ WHATSAPP_HOOK_URL: url }, "WHATSAPP_HOOK_URL"] as const,
    ),
    [{ ...hook, WHATSAPP_HOOK_EVENTS: "message,sesion.status" }, "WHATSAPP_HOOK_EVENTS: item 2"],
    [{ ...hook, WHATSAPP_HOOK_RETRIES_POLICY: "linaer" }, "WHATSAPP_HOOK_RETRIES_POLICY"],
    [{ ...hook, WHATSAPP_HOOK_RETRIES_DELAY_SECONDS: "3601" }, "WHATSAPP_HOOK_RETRIES_DELAY_SECONDS"],
    [{ ...hook, WHATSAPP_HOOK_RETRIES_DELAY_SECONDS: "2s" }, "WHATSAPP_HOOK_RETRIES_DELAY_SECONDS"],
    [{ ...hook, WHATSAPP_HOOK_RETRIES_ATTEMPTS: "101" }, "WHATSAPP_HOOK_RETRIES_ATTEMPTS"],
    [{ ...hook, WHATSAPP_HOOK_RETRIES_ATTEMPTS: "1.5" }, "WHATSAPP_HOOK_RETRIES_ATTEMPTS"],
    [{ ...hook, WHATSAPP_HOOK_CUSTOM_HEADERS: "X-A" }, "WHATSAPP_HOOK_CUSTOM_HEADERS"],
    [
      { ...hook, WHATSAPP_HOOK_CUSTOM_HEADERS: "X-A:1;Host:s3cret" },
      "WHATSAPP_HOOK_CUSTOM_HEADERS: the name of item 2",
    ],
    [{ ...hook, WHATSAPP_HOOK_CUSTOM_HEADERS: "X A:s3cret" }, "WHATSAPP_HOOK_CUSTOM_HEADERS: the name of item 1"],
    [{ ...hook, WHATSAPP_HOOK_CUSTOM_HEADERS: "X-A:s3cret\nX-B:1" }, "WHATSAPP_HOOK_CUSTOM_HEADERS: the value"],
    [{ ...hook, SESSIOND_HOOK_HMAC_PREVIOUS_KEY: "s3cret" }, "SESSIOND_HOOK_HMAC_PREVIOUS_KEY"],
  ];
  for (const [env, variable] of rows) {
    it(`stops the start: ${JSON.stringify(env)}`, () => assertStops(env, variable));
  }

  it("is none where each value keeps the rules", async () => {
    const { secrets, warnings } = await read({
      ...hook,
      WHATSAPP_HOOK_EVENTS: "session.status, poll.vote.failed",
      WHATSAPP_HOOK_RETRIES_POLICY: "Exponential",
      WHATSAPP_HOOK_RETRIES_ATTEMPTS: "0",
      WHATSAPP_HOOK_CUSTOM_HEADERS: "X-A: 1:2 ;X-B:",
      WHATSAPP_PROXY_SERVER_LIST: "socks5://a.example:1, [::1]:2",
      WHATSAPP_PROXY_SERVER_USERNAME: "u",
    });
    const { events, retries, customHeaders } = secrets.globalWebhook ?? {};
    assert.deepEqual(events, ["session.status", "poll.vote.failed"]);
    assert.deepEqual([retries?.policy, retries?.attempts, retries?.delaySeconds], ["exponential", 0, undefined]);
    assert.deepEqual(
      customHeaders?.map(({ name, value }) => [name, value]),
      [
        ["X-A", "1:2"],
        ["X-B", ""],
      ],
    );
    assert.deepEqual(secrets.proxies.servers, ["socks5://a.example:1", "[::1]:2"]);
    assert.deepEqual(warnings, []);
  });

  it("without a URL has no effect, which is told", async () => {
    const env = { WHATSAPP_HOOK_EVENTS: "*", WHATSAPP_HOOK_HMAC_KEY: "k" };
    assert.equal((await read(env)).secrets.globalWebhook, undefined);
    assert.deepEqual(await warningsOf(env), ["WHATSAPP_HOOK_EVENTS", "WHATSAPP_HOOK_HMAC_KEY"]);
  });
});

describe("the sessions to start", () => {
  for (const names of ["a b", "ok,b/d", "..", "stop", "x".repeat(55)]) {
    it(`cannot be ${names.slice(0, 20)}`, () =>
      assertStops({ WHATSAPP_START_SESSION: names }, "WHATSAPP_START_SESSION"));
  }
  it("are listed, and an empty place is none", async () => {
    assert.deepEqual((await read({ WHATSAPP_START_SESSION: "a, b-2,," })).config.startSessions, ["a", "b-2"]);
  });
});

describe("what libraries find in the environment", () => {
  const traffic = "-puppeteer:protocol:*";
  for (const [value, expected] of [
    ["", undefined],
    ["true", undefined],
    ["1", undefined],
    ["*", `*,-https-proxy-agent*,-socks-proxy-agent*,${traffic}`],
    ["'puppeteer:*'", `puppeteer:*,-https-proxy-agent*,-socks-proxy-agent*,${traffic}`],
    ["puppeteer:protocol:*", "puppeteer:protocol:*,-https-proxy-agent*,-socks-proxy-agent*"],
  ] as const) {
    it(`DEBUG=${value} writes no proxy's password`, () => assert.equal(debugFor({ DEBUG: value }).DEBUG, expected));
  }

  it("DEBUG asks sessiond for its own debug lines only by true or 1", async () => {
    const levels = ["true", "1", "True", '"1"', "*", "puppeteer:*", "yes", "0"].map(
      async (DEBUG) => (await read({ DEBUG })).config.logLevel,
    );
    assert.deepEqual(await Promise.all(levels), ["debug", "debug", "debug", "debug", "info", "info", "info", "info"]);
  });

  it("a home is given only to a user id that has none", () => {
    const findNone = () => {
      throw new Error("ENOENT");
    };
    assert.deepEqual([homeFor(() => "/home/a"), homeFor(findNone)], [{}, { HOME: "/" }]);
  });
});
