import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile, stat } from "node:fs/promises";
import { type OutgoingHttpHeaders, request } from "node:http";
import { join } from "node:path";
import { describe, it } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ServerService } from "../../gen/sessiond/v1/server_service_pb.js";
import { RestClient } from "./rest-client.ts";
import { ServerProcess } from "./server-process.ts";

const loopback = { SESSIOND_HOST: "127.0.0.1" };
/** Loopback in an unusual notation, which counts as an external address although no other machine can reach it. */
const likeNetwork = { SESSIOND_HOST: "127.1" };

const isUnauthenticated = (error: unknown) => error instanceof ConnectError && error.code === Code.Unauthenticated;

describe("a server with a plain key", () => {
  it("refuses calls before it reads their body, and leaves the configured paths open", async () => {
    const key = "k3y with spaces";
    await using server = await ServerProcess.start({
      ...loopback,
      WAHA_API_KEY: key,
      WAHA_LOG_LEVEL: "debug",
      WAHA_API_KEY_EXCLUDE_PATH: "health,ping,api/server/version,dashboard",
    });
    const anonymous = new RestClient(() => server.baseUrl);
    const rest = new RestClient(() => server.baseUrl, { "x-api-key": key });
    assert.equal((await rest.get("/api/sessions")).status, 200);
    for (const path of ["/api/sessions", "/api/server/status", "/api/nope", "/nope", "/api/%zz", "/API/Sessions/"]) {
      assert.equal((await anonymous.get(path)).status, 401, path);
      assert.equal((await anonymous.get(`${path}?key=${key}&token=${key}`)).status, 401, path);
    }
    assert.equal((await rest.get("/api/nope")).status, 404);
    for (const path of ["/ping", "/health", "/api/server/version"]) {
      assert.equal((await anonymous.get(path)).status, 200, path);
    }
    assert.equal((await anonymous.call("OPTIONS", "/api/sessions")).status, 204);

    // A caller without the key learns nothing about errors in its body.
    for (const path of ["/api/sessions", "/sessiond.v1.SessionService/CreateSession"]) {
      const headers = { "content-type": "application/json" };
      const answer = await fetch(server.baseUrl + path, { method: "POST", headers, body: '{"start":' });
      assert.equal(answer.status, 401, path);
    }

    const client = createClient(ServerService, createGrpcTransport({ baseUrl: server.baseUrl }));
    assert.notEqual((await client.getVersion({})).version, "");
    await assert.rejects(client.getServerStatus({}), isUnauthenticated);
    await client.getServerStatus({}, { headers: { authorization: `Bearer ${key}` } });
    assert.match(server.log.join("\n"), /"path":"dashboard","msg":"WAHA_API_KEY_EXCLUDE_PATH/);
    assert.equal(server.log.join("\n").includes(key), false);
  });
});

describe("a server reachable from other machines without a key", () => {
  it("creates a key, shows it once on the console and stores only its hash", async () => {
    await using server = await ServerProcess.start(likeNetwork);
    const file = join(server.directory, "sessions", "api-key.sha512");
    const told = server.log.join("\n");
    const key = /^ {2}([0-9a-f]{64})$/m.exec(told)?.[1] ?? "";
    assert.notEqual(key, "");
    const inLog = server.log.filter((line) => line.startsWith("{") && line.includes(key));
    assert.deepEqual(inLog, []);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    const hash = (await readFile(file, "utf8")).trim();

    const statuses = async () => {
      const right = await new RestClient(() => server.baseUrl, { "x-api-key": key }).get("/api/sessions");
      const wrong = await new RestClient(() => server.baseUrl, { "x-api-key": hash }).get("/api/sessions");
      const none = await new RestClient(() => server.baseUrl).get("/api/sessions");
      return [right.status, wrong.status, none.status];
    };
    assert.deepEqual(await statuses(), [200, 401, 401]);
    assert.equal((await new RestClient(() => server.baseUrl).get("/health")).status, 200);

    const lines = server.log.length;
    await server.kill("SIGTERM");
    await server.restart();
    assert.deepEqual(await statuses(), [200, 401, 401]);
    const again = server.log.slice(lines).join("\n");
    assert.equal(again.includes(key), false, "it is not told again");
    assert.match(again, /api-key\.sha512","msg":"the API key is the one made at the first start"/);
  });

  it("needs no key if so configured", async () => {
    await using server = await ServerProcess.start({ ...likeNetwork, WAHA_NO_API_KEY: "true" });
    assert.equal((await new RestClient(() => server.baseUrl).get("/api/sessions")).status, 200);
    await assert.rejects(stat(join(server.directory, "sessions", "api-key.sha512")), { code: "ENOENT" });
  });

  it("does not start with both a key and the setting for none", async () => {
    const both = { ...loopback, WAHA_API_KEY: "secret-key", WAHA_NO_API_KEY: "true" };
    await assert.rejects(ServerProcess.start(both), ({ message }: Error) => {
      assert.match(message, /WAHA_API_KEY asks for a key and WAHA_NO_API_KEY for none/);
      return !message.includes("secret-key");
    });
  });
});

describe("a server on loopback without a key", () => {
  it("serves only configured hosts and pages of configured origins", async () => {
    await using server = await ServerProcess.start({
      SESSIOND_ALLOWED_HOSTS: "sessiond.example",
      SESSIOND_CORS_ORIGIN: "https://app.example",
    });
    const rest = new RestClient(() => server.baseUrl);
    await rest.post("/api/sessions", { name: "kept", start: false });
    const { port } = new URL(server.baseUrl);
    const remove = async (headers: OutgoingHttpHeaders) => {
      const req = request({ host: "127.0.0.1", port, method: "DELETE", path: "/api/sessions/kept", headers }).end();
      const [res] = await once(req, "response");
      res.resume();
      return res.statusCode;
    };
    const foreign: readonly OutgoingHttpHeaders[] = [
      { host: "evil.example" },
      { host: `evil.example:${port}` },
      { origin: "https://evil.example" },
      { origin: "http://app.example" },
      { origin: "null" },
    ];
    for (const headers of foreign) assert.equal(await remove(headers), 403, JSON.stringify(headers));
    assert.equal((await rest.get("/api/sessions/kept")).status, 200);
    const known: readonly OutgoingHttpHeaders[] = [
      { host: `localhost:${port}` },
      { host: "sessiond.example", origin: "http://sessiond.example" },
      { origin: "https://app.example" },
    ];
    for (const headers of known) assert.equal(await remove(headers), 200, JSON.stringify(headers));
    assert.equal((await rest.get("/api/sessions/kept")).status, 404);
  });
});
