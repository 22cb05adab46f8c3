import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { changesBetween, withValue } from "../../src/dashboard/config/json-path.ts";

const config = { proxy: { server: "a:1" }, webhooks: [{ url: "x", hmac: { key: "***" } }, { url: "y" }] };

describe("a change of a configuration", () => {
  for (const [what, path, value, expected] of [
    ["sets a part that was not there", ["debug"], true, { ...config, debug: true }],
    ["sets a part of a list", ["webhooks", 1, "url"], "z", { ...config, webhooks: [config.webhooks[0], { url: "z" }] }],
    ["adds to a list", ["webhooks", 2], { url: "" }, { ...config, webhooks: [...config.webhooks, { url: "" }] }],
    ["removes from a list", ["webhooks", 0], undefined, { ...config, webhooks: [{ url: "y" }] }],
    ["removes objects that are then empty", ["proxy", "server"], undefined, { webhooks: config.webhooks }],
    [
      "keeps an item whose last part is removed",
      ["webhooks", 1, "url"],
      undefined,
      { ...config, webhooks: [config.webhooks[0], {}] },
    ],
    [
      "makes the objects on the way",
      ["noweb", "store", "enabled"],
      true,
      { ...config, noweb: { store: { enabled: true } } },
    ],
    [
      "takes keys that objects inherit for ordinary ones",
      ["metadata", "constructor"],
      "1",
      { ...config, metadata: { constructor: "1" } },
    ],
  ] as const) {
    it(what, () => {
      const before = structuredClone(config);
      assert.deepEqual(withValue(config, path, value), expected);
      assert.deepEqual(config, before);
    });
  }

  it("is told part by part", () => {
    const after = { webhooks: [{ url: "z", hmac: { key: "***" } }], debug: true };
    assert.deepEqual(changesBetween(config, after), [
      { path: "proxy.server", before: "a:1", after: undefined },
      { path: "webhooks.0.url", before: "x", after: "z" },
      { path: "webhooks.1.url", before: "y", after: undefined },
      { path: "debug", before: undefined, after: "true" },
    ]);
  });
});
