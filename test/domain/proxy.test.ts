import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { proxyFor } from "../../src/domain/proxy.ts";

const servers = ["a:1", "b:1", "c:1"];

describe("the proxy of a session that configures none", () => {
  it("is undefined for an empty pool, and the only one of a pool of one", () => {
    assert.equal(proxyFor("x", { servers: [] }), undefined);
    const proxy = proxyFor("x", { servers: ["a:1"], username: "u", password: "p" });
    assert.deepEqual([proxy?.server, proxy?.username, proxy?.password], ["a:1", "u", "p"]);
  });

  it("is chosen by the number after the prefix, modulo the pool's size", () => {
    const pool = { servers, indexPrefix: "proxy-" };
    const taken = ["proxy-0", "proxy-1", "proxy-2", "proxy-3", "proxy-10"].map((name) => proxyFor(name, pool)?.server);
    assert.deepEqual(taken, ["a:1", "b:1", "c:1", "a:1", "b:1"]);
  });

  it("is otherwise chosen by the name, and stays the same for the same name", () => {
    const names = Array.from({ length: 300 }, (_, i) => `session_${i}`);
    const taken = names.map((name) => proxyFor(name, { servers })?.server);
    assert.deepEqual(
      taken,
      names.map((name) => proxyFor(name, { servers })?.server),
    );
    for (const server of servers) assert.ok(taken.filter((one) => one === server).length > 50, server);
  });
});
