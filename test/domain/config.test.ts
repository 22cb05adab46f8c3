import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape, toJson } from "@bufbuild/protobuf";
import { SessionConfigSchema } from "../../gen/sessiond/v1/session_pb.js";
import { maskSecrets, restoreSecrets, toShownConfig } from "../../src/domain/config.ts";
import { SessionError } from "../../src/domain/errors.ts";

type Config = MessageInitShape<typeof SessionConfigSchema>;

const config = (init: Config) => create(SessionConfigSchema, init);
const json = (of: ReturnType<typeof config>) => toJson(SessionConfigSchema, of);
const secretConfig = () =>
  config({
    metadata: JSON.parse('{"__proto__":"plain","user.id":"123"}'),
    proxy: { server: "localhost:3128", username: "user", password: "proxy-secret" },
    webhooks: [
      {
        url: "https://user:url-secret@a.test/1",
        hmac: { key: "key-1" },
        customHeaders: [
          { name: "Authorization", value: "Bearer 1" },
          { name: "X-Plain", value: "plain" },
        ],
      },
      { url: "https://a.test/2", hmac: { key: "key-2" } },
    ],
  });

/** Returns the message with which `restoreSecrets` refuses a configuration. */
function refused(next: Config, stored?: Config): string {
  try {
    restoreSecrets(config(next), stored && config(stored));
  } catch (error) {
    assert.ok(error instanceof SessionError);
    assert.equal(error.reason, "INVALID_ARGUMENT");
    return error.message;
  }
  return "";
}

describe("a configuration in an answer", () => {
  it("has the defaults of noweb if noweb was sent", () => {
    assert.deepEqual(json(toShownConfig(undefined)), {});
    assert.deepEqual(json(toShownConfig(config({ debug: true }))), { debug: true });
    assert.deepEqual(json(toShownConfig(config({ noweb: {} }))), {
      noweb: { markOnline: true, store: { enabled: false, fullSync: false } },
    });
    assert.deepEqual(json(toShownConfig(config({ noweb: { markOnline: false, store: { enabled: true } } }))), {
      noweb: { markOnline: false, store: { enabled: true, fullSync: false } },
    });
  });

  it("has all secrets masked and everything else unchanged", () => {
    const shown = maskSecrets(secretConfig());
    assert.deepEqual(json(shown), {
      metadata: JSON.parse('{"__proto__":"plain","user.id":"123"}'),
      proxy: { server: "localhost:3128", username: "user", password: "***" },
      webhooks: [
        {
          url: "https://user:***@a.test/1",
          hmac: { key: "***" },
          customHeaders: [
            { name: "Authorization", value: "***" },
            { name: "X-Plain", value: "plain" },
          ],
        },
        { url: "https://a.test/2", hmac: { key: "***" } },
      ],
    });
    assert.equal(secretConfig().webhooks[0]?.hmac?.key, "key-1");
  });

  it("has a header's value masked if the name suggests a credential", () => {
    const shown = (name: string) =>
      maskSecrets(config({ webhooks: [{ url: "http://a.test", customHeaders: [{ name, value: "v" }] }] })).webhooks[0]
        ?.customHeaders[0]?.value;
    for (const name of [
      "authorization",
      "Cookie",
      "X-Api-Key",
      "apikey",
      "x-auth",
      "Proxy-Authorization",
      "X-My-Token",
      "CLIENT-SECRET",
      "X-Password",
      "Ocp-Apim-Subscription-Key",
    ]) {
      assert.equal(shown(name), "***", name);
    }
    for (const name of ["X-My-Custom-Header", "X-Tenant", "Content-Type", "X-Monkey", "X-Keyboard"]) {
      assert.equal(shown(name), "v", name);
    }
  });

  it("has only the password of a URL masked, also with several at signs", () => {
    const shown = (url: string) => maskSecrets(config({ webhooks: [{ url }] })).webhooks[0]?.url;
    const table = {
      "https://a.test/x": "https://a.test/x",
      "https://user@a.test/x": "https://user@a.test/x",
      "https://user:p@ss:w@a.test/x?y@z": "https://user:***@a.test/x?y@z",
      "https://u@v:pw@a.test": "https://u@v:***@a.test",
      "http://:pw@a.test": "http://:***@a.test",
      "http://a.test:80/x@y": "http://a.test:80/x@y",
      "http://a.test?u:p@x": "http://a.test?u:p@x",
    };
    for (const [url, expected] of Object.entries(table)) assert.equal(shown(url), expected);
  });
});

describe("a configuration with *** in a request", () => {
  it("changes nothing when an answer is sent back", () => {
    const stored = secretConfig();
    assert.deepEqual(json(restoreSecrets(maskSecrets(stored), stored)), json(stored));
  });

  it("replaces stored secrets with new ones", () => {
    const next = {
      proxy: { server: "a:1", password: "new" },
      webhooks: [{ url: "https://a.test/2", hmac: { key: "n" } }],
    };
    assert.deepEqual(json(restoreSecrets(config(next), secretConfig())), json(config(next)));
  });

  it("matches webhooks by URL, and by position if the URL is new", () => {
    const mask = { hmac: { key: "***" } };
    const keys = (urls: string[]) =>
      restoreSecrets(config({ webhooks: urls.map((url) => ({ url, ...mask })) }), secretConfig()).webhooks.map(
        (webhook) => webhook.hmac?.key,
      );
    assert.deepEqual(keys(["https://a.test/2", "https://user:***@a.test/1"]), ["key-2", "key-1"]);
    assert.deepEqual(keys(["https://b.test", "https://a.test/2"]), ["key-1", "key-2"]);
    assert.deepEqual(keys(["https://user:changed@a.test/1"]), ["key-1"]);
  });

  it("matches two webhooks with the same URL in order", () => {
    const url = "https://a.test";
    const stored = config({
      webhooks: [
        { url, hmac: { key: "1" } },
        { url, hmac: { key: "2" } },
      ],
    });
    assert.deepEqual(json(restoreSecrets(maskSecrets(stored), stored)), json(stored));
  });

  it("matches headers by name, in any case and order", () => {
    const stored = {
      webhooks: [
        {
          url: "http://a.test",
          customHeaders: [
            { name: "X-Token", value: "t" },
            { name: "Cookie", value: "c" },
          ],
        },
      ],
    };
    const next = {
      webhooks: [
        {
          url: "http://a.test",
          customHeaders: [
            { name: "cookie", value: "***" },
            { name: "X-Stars", value: "***" },
            { name: "x-token", value: "***" },
          ],
        },
      ],
    };
    const kept = restoreSecrets(config(next), config(stored)).webhooks[0]?.customHeaders.map(({ value }) => value);
    assert.deepEqual(kept, ["c", "***", "t"]);
  });

  it("is refused at all places without a stored secret, without revealing the stored ones", () => {
    const next: Config = {
      proxy: { server: "a:1", password: "***" },
      webhooks: [
        { url: "https://u:***@a.test", hmac: { key: "***" }, customHeaders: [{ name: "Cookie", value: "***" }] },
      ],
    };
    const all =
      "config.proxy.password must not be ***; config.webhooks.0.url must not be ***; " +
      "config.webhooks.0.hmac.key must not be ***; config.webhooks.0.customHeaders.0.value must not be ***";
    assert.equal(refused(next), all);
    assert.equal(refused(next, { webhooks: [{ url: "https://a.test" }] }), all);
    assert.equal(
      refused({ webhooks: [{ url: "https://a.test", customHeaders: [{ name: "X-A", value: "***" }] }] }),
      "",
    );
  });

  it("masks the previous key like the current one", () => {
    const stored = create(SessionConfigSchema, {
      webhooks: [{ url: "https://a.test/", hmac: { key: "new", previousKey: "old" } }],
    });
    const masked = maskSecrets(stored);
    assert.deepEqual([masked.webhooks[0]?.hmac?.key, masked.webhooks[0]?.hmac?.previousKey], ["***", "***"]);
    const kept = restoreSecrets(masked, stored);
    assert.deepEqual([kept.webhooks[0]?.hmac?.key, kept.webhooks[0]?.hmac?.previousKey], ["new", "old"]);
    assert.throws(() => restoreSecrets(masked, undefined), /hmac\.previousKey must not be \*\*\*/);
  });
});

describe("a webhook in an answer", () => {
  const shown = (init: NonNullable<Config["webhooks"]>[number]) => json(toShownConfig(config({ webhooks: [init] })));

  it("has no hmac without a key", () => {
    assert.deepEqual(shown({ url: "http://a.test", hmac: {} }), { webhooks: [{ url: "http://a.test" }] });
  });

  it("has no retries if none of their fields is set", () => {
    assert.deepEqual(shown({ url: "http://a.test", retries: {} }), { webhooks: [{ url: "http://a.test" }] });
    const retries = { attempts: 0 };
    assert.deepEqual(shown({ url: "http://a.test", retries }), { webhooks: [{ url: "http://a.test", retries }] });
  });
});
