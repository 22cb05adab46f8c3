import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { SessionConfigSchema, type WebhookConfigSchema } from "../../gen/sessiond/v1/session_pb.js";
import { configViolations } from "../../src/domain/config-violations.ts";
import { eventNames } from "../../src/domain/event.ts";

type Webhook = MessageInitShape<typeof WebhookConfigSchema>;

const told = (config: MessageInitShape<typeof SessionConfigSchema>) =>
  configViolations(create(SessionConfigSchema, config)).map(({ field, description }) => `${field} ${description}`);
const webhook = (more: Webhook): string[] => told({ webhooks: [{ url: "https://a.test/hook", ...more }] });

describe("the rules of a configuration", () => {
  it("accepts WAHA's full sample", () => {
    assert.deepEqual(
      told({
        debug: true,
        noweb: { store: { enabled: true, fullSync: false } },
        metadata: { "user.id": "123", "user.email": "email@example.com" },
        webhooks: [
          {
            url: "https://webhook.site/11111111-1111-1111-1111-11111111",
            events: ["message"],
            hmac: { key: "your-secret-key" },
            customHeaders: [{ name: "X-My-Custom-Header", value: "Value" }],
            retries: { delaySeconds: 2, attempts: 15 },
          },
        ],
        proxy: { server: "localhost:3128", username: "username", password: "P@ssw0rd" },
      }),
      [],
    );
    assert.deepEqual(configViolations(undefined), []);
  });

  it("reports all violations at once, in the order of the fields", () => {
    assert.deepEqual(
      told({
        proxy: { server: "http://localhost:3128" },
        webhooks: [
          { url: "nope", events: ["message", "messages"] },
          { url: "http://ok.test", retries: { delaySeconds: 3601, attempts: 101, policy: "slow" } },
        ],
      }),
      [
        "config.proxy.server must be host:port, without http:// or https://",
        "config.webhooks.0.url must be a URL address",
        `config.webhooks.0.events.1 must be one of the following values: ${eventNames.join(", ")}, session.health, webhook.disabled, *`,
        "config.webhooks.1.retries.delaySeconds must not be greater than 3600",
        "config.webhooks.1.retries.attempts must not be greater than 100",
        "config.webhooks.1.retries.policy must be one of the following values: constant, linear, exponential",
      ],
    );
  });

  it("accepts only http and https URLs, without the syntax that URL parsers tolerate", () => {
    for (const url of ["http://localhost", "http://127.0.0.1:3000/x?y=1", "HTTPS://u:p@a.test/", "http://[::1]:80/"]) {
      assert.deepEqual(webhook({ url }), [], url);
    }
    for (const url of [
      "",
      "a.test",
      "/hook",
      "ftp://a.test",
      "javascript:1",
      "http:/a.test",
      "http:///a.test",
      "http://",
      "http://a b",
      " http://a.test",
      "http://a.test\n",
      "http://a.test:99999",
      "https:\\\\a.test",
    ]) {
      assert.deepEqual(webhook({ url }), ["config.webhooks.0.url must be a URL address"], JSON.stringify(url));
    }
  });

  it("accepts proxies as host:port and socks5://host:port only", () => {
    for (const server of [
      "localhost:3128",
      "10.0.0.1:1",
      "proxy.a.test:65535",
      "[::1]:8080",
      "socks5://localhost:1080",
    ]) {
      assert.deepEqual(told({ proxy: { server } }), [], server);
    }
    for (const server of [
      "",
      "localhost",
      "localhost:",
      ":3128",
      "localhost:0",
      "localhost:65536",
      "http://localhost:3128",
      "https://localhost:1",
      "socks4://localhost:1",
      "u:p@localhost:1",
      "localhost:1/x",
      "local host:1",
      "[::zz]:1",
      "a:1:2",
    ]) {
      assert.equal(told({ proxy: { server } }).length, 1, JSON.stringify(server));
    }
  });

  it("accepts every event name and *", () => {
    assert.deepEqual(webhook({ events: [...eventNames, "*"] }), []);
    assert.equal(webhook({ events: ["session.deleted", "", "toString"] }).length, 3);
  });

  it("accepts retries within their limits, limits included", () => {
    assert.deepEqual(webhook({ retries: { delaySeconds: 0, attempts: 0, policy: "linear" } }), []);
    assert.deepEqual(webhook({ retries: { delaySeconds: 3600, attempts: 100, policy: "exponential" } }), []);
    assert.deepEqual(webhook({ retries: { delaySeconds: -0.5 } }), [
      "config.webhooks.0.retries.delaySeconds must not be less than 0",
    ]);
    assert.deepEqual(webhook({ retries: { delaySeconds: Number.NaN } }), [
      "config.webhooks.0.retries.delaySeconds must be a number",
    ]);
  });

  it("accepts custom headers that HTTP can carry and sessiond does not set", () => {
    const header = (name: string, value = "v") => webhook({ customHeaders: [{ name, value }] });
    for (const name of ["X-My-Custom-Header", "Authorization", "Content-Type", "X-Web", "X-Webhooks"]) {
      assert.deepEqual(header(name), [], name);
    }
    for (const name of ["", "X Header", "X:Header", "Näme", "X\r\nY"]) {
      assert.deepEqual(header(name), ["config.webhooks.0.customHeaders.0.name must be an HTTP header name"], name);
    }
    for (const name of [
      "Host",
      "content-length",
      "TRANSFER-ENCODING",
      "Connection",
      "X-Webhook-Hmac",
      "x-webhook-",
      "Keep-Alive",
      "upgrade",
      "Expect",
      "TE",
      "webhook-id",
      "Webhook-Signature",
    ]) {
      assert.match(header(name)[0] ?? "", /^config\.webhooks\.0\.customHeaders\.0\.name must not be Host, /, name);
    }
    assert.deepEqual(header("X-Any", "é ~\t!"), []);
    for (const value of ["a\r\nHost: b", "a\n", "\0", "漢"]) {
      assert.match(
        header("X-Any", value)[0] ?? "",
        /^config\.webhooks\.0\.customHeaders\.0\.value must not contain CR/,
      );
    }
  });
});
