import assert from "node:assert/strict";
import { exactly, json, objectOf } from "../expectations.ts";
import { type CaseGroup, get } from "../rest-case.ts";

/** Routes about the server itself. */
export const serverCases: CaseGroup = {
  title: "GET /ping, /health, /api/server/version, /api/server/status",
  cases: [
    { name: "ping: pong", request: get("/ping"), expect: json(200, exactly({ message: "pong" })) },
    { name: "ping: with a slash at the end", request: get("/ping/"), expect: json(200, exactly({ message: "pong" })) },
    {
      name: "health: well",
      request: get("/health"),
      expect: json(200, (answer) => assert.equal(objectOf(answer.json()).status, "ok")),
      onlySessiond: "WAHA has health checks in Plus only",
    },
    {
      name: "version: version, engine, tier, browser, in this order",
      request: get("/api/server/version"),
      expect: json(200, (answer) => {
        const { version, engine, tier, browser, ...others } = objectOf(answer.json());
        assert.deepEqual(others, {});
        assert.match(String(version), /^\d+\.\d+\.\d+/);
        assert.ok(engine === "NOWEB" || engine === "WEBJS", `engine is ${engine}`);
        assert.ok(tier === "PLUS" || tier === "CORE", `tier is ${tier}`);
        assert.ok(browser === null || typeof browser === "string", `browser is ${browser}`);
        assert.match(answer.text, /^\{"version":.*"engine":.*"tier":.*"browser":/);
      }),
    },
    {
      name: "status: since when, how long, which worker",
      request: get("/api/server/status"),
      expect: json(200, (answer) => {
        const { startTimestamp, uptime, worker, ...others } = objectOf(answer.json());
        assert.deepEqual(others, {});
        assert.ok(Number.isInteger(startTimestamp) && Number(startTimestamp) > 1_600_000_000_000, "Unix milliseconds");
        assert.ok(Number.isInteger(uptime) && Number(uptime) >= 0, "milliseconds");
        assert.deepEqual(Object.keys(objectOf(worker)), ["id"]);
      }),
    },
  ],
};
