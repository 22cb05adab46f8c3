import assert from "node:assert/strict";
import { access, readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { startPostgres } from "../support/postgres-server.ts";
import { RestClient } from "./rest-client.ts";
import { ServerProcess } from "./server-process.ts";
import { startMain, temporaryDirectory } from "./start.ts";

const postgres = await startPostgres();
after(() => postgres.close());

const restOf = (server: ServerProcess) => new RestClient(() => server.baseUrl, {});
const passwordOf = (url: string) => [new URL(url).password, decodeURIComponent(new URL(url).password)];

describe("a server whose store is in PostgreSQL", () => {
  it("keeps its sessions there over kills, and no store in the data directory", async () => {
    const url = await postgres.createDatabase();
    await using server = await ServerProcess.start({ SESSIOND_STORE: url });
    const rest = restOf(server);
    await rest.post("/api/sessions", { name: "alice", start: false });
    await server.kill("SIGKILL");
    await server.restart();
    assert.equal((await rest.get("/api/sessions/alice")).body.name, "alice");
    assert.ok(!(await readdir(join(server.directory, "sessions"))).includes("store"));
    assert.equal(await server.kill("SIGTERM"), 0);
  });

  it("logs where the store is, and never the login", async () => {
    const url = await postgres.createDatabase();
    await using server = await ServerProcess.start({ SESSIOND_STORE: url, WAHA_LOG_LEVEL: "trace" });
    const place = `127.0.0.1:${postgres.port}${new URL(url).pathname}`;
    assert.ok(server.log.some((line) => line.includes(`"store":"PostgreSQL at ${place}"`)));
    for (const secret of passwordOf(url)) assert.ok(!server.log.join("\n").includes(secret));
    for (const path of ["/api/server/environment?all=true", "/api/server/status", "/api/server/version"]) {
      const { body } = await restOf(server).get(path);
      for (const secret of [url, ...passwordOf(url)]) assert.ok(!JSON.stringify(body).includes(secret));
    }
  });

  it("refuses a backup, and names what makes one", async () => {
    await using server = await ServerProcess.start({ SESSIOND_STORE: await postgres.createDatabase() });
    const { status, body } = await restOf(server).post("/api/server/backup");
    assert.equal(status, 503);
    assert.match(JSON.stringify(body), /backed up by tools of its own.*pg_dump/);
  });

  it("warns of sessions in the data directory that it does not use", async () => {
    await using server = await ServerProcess.start();
    const rest = restOf(server);
    const url = await postgres.createDatabase();
    const warnings = () => server.log.filter((line) => /not used.*npm run move/.test(line)).length;
    await server.kill("SIGTERM");
    await server.restart({ SESSIOND_STORE: url });
    assert.equal(warnings(), 0, "an empty store is no loss");
    await server.kill("SIGTERM");
    await server.restart();
    await rest.post("/api/sessions", { name: "alice", start: false });
    await server.kill("SIGTERM");
    await server.restart({ SESSIOND_STORE: url });
    assert.equal(warnings(), 1);
    assert.equal((await rest.get("/api/sessions/alice")).status, 404);
    await server.kill("SIGTERM");
    await server.restart();
    assert.equal((await rest.get("/api/sessions/alice")).status, 200, "they are unharmed");
  });

  it("starts where nothing can be written to the data directory, and says so", async (t) => {
    const file = join(await temporaryDirectory(t), "file", "below");
    const env = { SESSIOND_STORE: await postgres.createDatabase(), WAHA_LOCAL_STORE_BASE_DIR: `/proc/${file}` };
    const { listens, output } = await startMain(env);
    assert.ok(listens, output);
    assert.match(output, /data directory .* cannot be used.*No WEBJS session/);
    await assert.rejects(access(file));
  });

  it("does not restore a backup of a data directory", async (t) => {
    const env = { SESSIOND_STORE: postgres.urlOf("postgres"), WAHA_LOCAL_STORE_BASE_DIR: await temporaryDirectory(t) };
    const { code, output } = await startMain(env, { args: ["restore", "/nowhere"] });
    assert.equal(code, 1);
    assert.match(output, /SESSIOND_STORE is set.*unset it/);
  });
});

describe("a server whose database cannot be used", () => {
  it("ends with code 1 and one line that says what to do", async (t) => {
    const url = Object.assign(new URL(await postgres.createDatabase()), { password: "hunter2" }).href;
    const env = { SESSIOND_STORE: url, WAHA_LOCAL_STORE_BASE_DIR: await temporaryDirectory(t) };
    const { code, output, listens } = await startMain(env);
    assert.deepEqual([code, listens], [1, false]);
    assert.match(
      output,
      /^sessiond: the store in PostgreSQL at 127\.0\.0\.1:\d+\/\w+ cannot be used: .*SESSIOND_STORE$/m,
    );
    assert.ok(!output.includes("hunter2"));
  });
});
