import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConfigError, readConfig } from "../../src/config/config.ts";

const storeFrom = async (url: string | undefined) => {
  const { config, secrets } = await readConfig(() => assert.fail(), { SESSIOND_STORE: url });
  return { store: config.store, url: secrets.postgresUrl, shown: JSON.stringify(config) };
};

const databases = [
  "postgres://user:hunter2@db.test:5433/sessions",
  "postgresql://user:hunter2@db.test/sessions",
  "postgres://user:hunter2%40%2F%3A@[::1]:5432/sessions?sslmode=verify-full",
  "postgres://db.test/sessions",
  "postgres:///sessions?host=/var/run/postgresql",
];

const refused: readonly (readonly [url: string, message: RegExp])[] = [
  ["hunter2", /must be a URL like postgres:/],
  ["mysql://user:hunter2@db.test/sessions", /must be a URL like postgres:/],
  ["postgres:hunter2@db.test/sessions", /must be a URL like postgres:/],
  ["postgres://user:hunter2@db.test:port/sessions", /must be a URL like postgres:/],
  ["postgres://user:hunter2@db.test", /must name a database/],
  ["postgres://user:hunter2@db.test/", /must name a database/],
  ["postgres://user:12/hunter2@db.test/sessions", /%2F/],
  ["postgres://user:12/hunter2#x@db.test/sessions", /%23/],
  ["postgres://user:12/hunter2?x@db.test/sessions", /%3F/],
  ["postgres://user:hunter2#x@db.test/sessions", /%23/],
  ["postgres://user:hunter2%zz@db.test/sessions", /begins no escape/],
  ["postgres://user:hunter2@db.test/100%", /begins no escape/],
];

describe("SESSIOND_STORE", () => {
  it("unset or blank is the store in the data directory", async () => {
    for (const url of [undefined, "", " "]) assert.equal((await storeFrom(url)).store, "level");
  });

  for (const url of databases) {
    it(`takes a database, and keeps it out of what logs may show: ${url}`, async () => {
      const found = await storeFrom(` ${url} `);
      assert.deepEqual([found.store, found.url], ["postgres", url]);
      assert.ok(!found.shown.includes("hunter2"));
    });
  }

  for (const [url, message] of refused) {
    it(`refuses by name, and repeats nothing of ${url}`, async () => {
      await assert.rejects(storeFrom(url), (error: Error) => {
        assert.ok(error instanceof ConfigError);
        assert.match(error.message, /^SESSIOND_STORE /);
        assert.match(error.message, message);
        assert.ok(!error.message.includes("hunter2"));
        return true;
      });
    });
  }
});
