import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { engineWalks } from "./engine-walks.ts";
import { openHarness } from "./harness.ts";
import { ServerProcess } from "./server-process.ts";

describe("a session on NOWEB, over REST", () => {
  engineWalks("NOWEB", openHarness, { many: 50, settled: ({ whatsapp }) => assert.deepEqual(whatsapp.faults, []) });

  it("undelivered webhooks are delivered after kill -9", async () => {
    await using harness = await openHarness();
    const { hook, server, rest, config } = harness;
    hook.status = 500;
    await rest.post("/api/sessions", { name: "alice", config });
    await rest.untilStatus("alice", "SCAN_QR_CODE");
    await server.kill("SIGKILL");
    assert.deepEqual(hook.statuses("alice"), []);
    hook.status = 200;
    await server.restart();
    // Two events of each life: none was lost, and none is duplicated.
    await hook.until(() => hook.statuses("alice").length >= 4);
    assert.deepEqual(hook.statuses("alice").sort(), ["SCAN_QR_CODE", "SCAN_QR_CODE", "STARTING", "STARTING"]);
  });
});

it("SIGTERM stops the server in order, and a second server on the directory is refused", async () => {
  await using server = await ServerProcess.start();
  await assert.rejects(
    ServerProcess.start({ WAHA_LOCAL_STORE_BASE_DIR: `${server.directory}/sessions` }),
    /in use by another sessiond/,
  );
  assert.equal(await server.kill("SIGTERM"), 0);
});
