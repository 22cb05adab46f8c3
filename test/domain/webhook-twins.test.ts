import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { WebhookConfigSchema } from "../../gen/sessiond/v1/session_pb.js";
import { endpointIdsFor, endpointsOf } from "../../src/domain/delivery.ts";

type Webhook = MessageInitShape<typeof WebhookConfigSchema>;
const webhook = (init: Webhook) => create(WebhookConfigSchema, { url: "http://a.test/hook", events: ["*"], ...init });
const header = (name: string, value: string) => ({ name, value });

/** Two webhooks, and whether they are posted once. */
const pairs: [string, Webhook, Webhook, boolean][] = [
  ["the same URL", {}, {}, true],
  ["hosts in another case", { url: "http://A.Test/hook" }, {}, true],
  ["a scheme in another case", { url: "HTTP://a.test/hook" }, {}, true],
  ["a default port", { url: "http://a.test:80/hook" }, {}, true],
  ["the default port of https", { url: "https://a.test:443" }, { url: "https://a.test/" }, true],
  ["an empty path", { url: "http://a.test" }, { url: "http://a.test/" }, true],
  ["fragments", { url: "http://a.test/hook#one" }, { url: "http://a.test/hook#two" }, true],
  ["paths in another case", { url: "http://a.test/Hook" }, {}, false],
  ["a slash at the end of a path", { url: "http://a.test/hook/" }, {}, false],
  ["another port", { url: "http://a.test:8080/hook" }, {}, false],
  ["another scheme", { url: "https://a.test/hook" }, {}, false],
  ["another query", { url: "http://a.test/hook?a=1" }, {}, false],
  ["another login", { url: "http://user:secret@a.test/hook" }, {}, false],
  ["the same secret", { hmac: { key: "key" } }, { hmac: { key: "key" } }, true],
  ["another secret", { hmac: { key: "key" } }, { hmac: { key: "Key" } }, false],
  ["a secret and none", { hmac: { key: "key" } }, {}, false],
  ["an empty secret and none", { hmac: { key: "" } }, {}, true],
  ["another former secret", { hmac: { key: "key", previousKey: "old" } }, { hmac: { key: "key" } }, false],
  ["the same headers", { customHeaders: [header("A", "1")] }, { customHeaders: [header("a", "1")] }, true],
  [
    "headers in another order",
    { customHeaders: [header("A", "1"), header("B", "2")] },
    { customHeaders: [header("b", "2"), header("a", "1")] },
    true,
  ],
  ["another header", { customHeaders: [header("A", "1")] }, { customHeaders: [header("A", "2")] }, false],
  ["a header and none", { customHeaders: [header("A", "1")] }, {}, false],
  ["other retries", { retries: { attempts: 1 } }, { retries: { attempts: 2 } }, true],
  ["other events", { events: ["message"] }, { events: ["session.status"] }, true],
];

describe("two webhooks", () => {
  for (const [name, one, other, isOnce] of pairs) {
    const times = isOnce ? "once" : "twice";
    it(`with ${name} are posted ${times}, in a session and globally`, () => {
      const endpoints = endpointsOf([webhook(one)], webhook(other));
      assert.equal(endpoints.length, isOnce ? 1 : 2);
      assert.equal(endpoints.at(-1)?.id, "global");
    });

    it(`with ${name} are posted ${times}, in one session`, () => {
      const endpoints = endpointsOf([webhook(one), webhook(other)], undefined);
      assert.equal(endpoints.length, isOnce ? 1 : 2);
      assert.equal(endpoints[0]?.id, endpointsOf([webhook(one)], undefined)[0]?.id);
    });
  }

  it("that are posted once get the events of both, each once", () => {
    const endpoints = endpointsOf(
      [webhook({ events: ["message", "session.status"] })],
      webhook({ events: ["session.status", "message.any"] }),
    );
    assert.deepEqual(endpoints[0]?.config?.events, ["message", "session.status", "message.any"]);
    for (const name of ["message", "session.status", "message.any"]) {
      assert.deepEqual(endpointIdsFor(name, endpoints), ["global"]);
    }
    assert.deepEqual(endpointIdsFor("message.ack", endpoints), []);
  });

  it("that are posted once keep the session's own retries over the global ones", () => {
    const global = webhook({ retries: { attempts: 9 } });
    assert.equal(endpointsOf([webhook({ retries: { attempts: 1 } })], global)[0]?.config?.retries?.attempts, 1);
    assert.equal(endpointsOf([webhook({})], global)[0]?.config?.retries?.attempts, 9);
  });

  it("that are posted once leave the ids of other endpoints unchanged", () => {
    const other = webhook({ hmac: { key: "key" } });
    const ids = endpointsOf([webhook({}), webhook({}), other], undefined).map(({ id }) => id);
    const apart = endpointsOf([webhook({}), webhook({ hmac: { key: "else" } }), other], undefined).map(({ id }) => id);
    assert.deepEqual(ids, [apart[0], apart[2]]);
  });
});
