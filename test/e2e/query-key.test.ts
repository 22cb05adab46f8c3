import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ServerService } from "../../gen/sessiond/v1/server_service_pb.js";
import { RestClient } from "./rest-client.ts";
import { ServerProcess } from "./server-process.ts";

const key = "k3y-4-query";
const env = { SESSIOND_HOST: "127.0.0.1", WAHA_API_KEY: key, WAHA_LOG_LEVEL: "trace" };

describe("a server with a key", () => {
  it("accepts it as ?x-api-key= for REST, streams and metrics, and never logs it", async () => {
    await using server = await ServerProcess.start(env);
    const { baseUrl } = server;
    const rest = new RestClient(() => baseUrl);
    const query = `?x-api-key=${key}`;
    assert.equal((await rest.call("POST", `/api/sessions${query}`, { name: "a", start: false })).status, 201);
    for (const path of [
      "/api/sessions",
      "/api/sessions/a",
      "/api/server/status",
      "/metrics",
      "/docs",
      "/openapi.json",
    ]) {
      assert.equal((await rest.get(path + query)).status, 200, path);
    }
    for await (const { name } of rest.stream(`/api/sessions/a/status-stream${query}`)) {
      assert.equal(String(name), "a");
      break;
    }
    const answers = await Promise.all(
      ["/api/nope", "/docs/", "/api/sessions/%zz", "/api/screenshot"].map((path) =>
        fetch(baseUrl + path + query, { redirect: "manual" }),
      ),
    );
    for (const answer of answers) {
      assert.equal((await answer.text()).includes(key) || JSON.stringify([...answer.headers]).includes(key), false);
    }
    assert.equal(JSON.stringify((await rest.get(`/metrics${query}`)).body).includes(key), false);
    assert.equal((await rest.get("/api/sessions?x-api-key=wrong")).status, 401);
    assert.equal(server.log.join("\n").includes(key), false);
  });

  it("accepts a Bearer key beside an empty X-Api-Key, and no wrong one", async () => {
    await using server = await ServerProcess.start(env);
    const call = (headers: Record<string, string>) =>
      new RestClient(() => server.baseUrl, headers).get("/api/sessions").then(({ status }) => status);
    assert.equal(await call({ "x-api-key": "", authorization: `Bearer ${key}` }), 200);
    assert.equal(await call({ "x-api-key": " ", authorization: `bearer ${key}` }), 200);
    assert.equal(await call({ "x-api-key": "", authorization: "Bearer wrong" }), 401);
    assert.equal(await call({ "x-api-key": "" }), 401);
    const client = createClient(ServerService, createGrpcTransport({ baseUrl: server.baseUrl }));
    await client.getServerStatus({}, { headers: { "x-api-key": "", authorization: `Bearer ${key}` } });
    await assert.rejects(
      client.getServerStatus({}, { headers: { "x-api-key": "" } }),
      (error) => error instanceof ConnectError && error.code === Code.Unauthenticated,
    );
  });
});
