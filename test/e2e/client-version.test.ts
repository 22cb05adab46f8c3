import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { startVersionServer } from "../adapters/baileys/version-server.ts";
import type { WhatsApp } from "../emulator/whatsapp.ts";
import { pairFleet, statusCounts } from "./fleet.ts";
import { openHarness } from "./harness.ts";
import type { RestClient } from "./rest-client.ts";

const old = "2.3000.1023456789";
const next = "2.3000.1999999999";
const fastConnects = { SESSIOND_CONNECTS_PER_SECOND: "200" };

/** Waits until `count` sessions have this status. */
async function untilAll(rest: RestClient, status: string, count: number): Promise<void> {
  while (((await statusCounts(rest))[status] ?? 0) < count);
}

/** Makes WhatsApp retire versions, and cuts the connections that use them. */
function retire(whatsapp: WhatsApp, ...versions: readonly string[]): void {
  whatsapp.retireVersions((version) => versions.includes(version));
  for (const connection of whatsapp.connections) connection.drop();
}

/** Returns the log lines that recommend the setting. */
const advice = (log: readonly string[]) => log.filter((line) => line.includes("SESSIOND_NOWEB_VERSION"));

async function openVersions(t: TestContext) {
  const versions = await startVersionServer();
  t.after(() => versions.close());
  return versions;
}

describe("a client version that WhatsApp has retired", () => {
  for (const variable of ["SESSIOND_NOWEB_VERSION", "WAHA_NOWEB_WA_VERSION"]) {
    it(`fails all sessions with one log line, until ${variable} names another`, async () => {
      await using harness = await openHarness({ ...fastConnects, [variable]: old });
      const { whatsapp, server, rest } = harness;
      const { names } = await pairFleet(whatsapp, rest, 3);
      await untilAll(rest, "WORKING", 3);
      assert.deepEqual([...new Set(whatsapp.clientVersions)], [old]);

      retire(whatsapp, old);
      await untilAll(rest, "FAILED", 3);
      for (const name of names) {
        const { body } = await rest.get(`/api/sessions/${name}`);
        assert.equal(body.statusReason, "CLIENT_OUTDATED");
        const reason = String(body.statusMessage);
        assert.ok(reason.includes(old) && reason.includes("SESSIOND_NOWEB_VERSION"), reason);
      }
      assert.equal(advice(server.log).length, 1, advice(server.log).join("\n"));

      await server.kill("SIGTERM");
      await server.restart({ [variable]: next });
      await untilAll(rest, "WORKING", 3);
      assert.equal(whatsapp.counters.pairings, 3, "nobody had to scan again");
      assert.equal(whatsapp.clientVersions.at(-1), next);
    });
  }

  it("is not retried by itself, not even after a restart", async () => {
    await using harness = await openHarness({ ...fastConnects, SESSIOND_NOWEB_VERSION: old });
    const { whatsapp, server, rest } = harness;
    await pairFleet(whatsapp, rest, 2);
    await untilAll(rest, "WORKING", 2);
    retire(whatsapp, old);
    await untilAll(rest, "FAILED", 2);
    const handshakes = whatsapp.clientVersions.length;
    await server.kill();
    await server.restart();
    await server.kill();
    await server.restart();
    assert.deepEqual(await statusCounts(rest), { FAILED: 2 });
    assert.equal(whatsapp.clientVersions.length, handshakes);
    await rest.post("/api/sessions/s0/start");
    await whatsapp.until(() => whatsapp.clientVersions.length > handshakes, "the start that was asked for");
    await untilAll(rest, "FAILED", 2);
    assert.equal(whatsapp.clientVersions.length, handshakes + 1);
  });

  for (const setting of ["auto-web", "auto-baileys", ""]) {
    it(`is replaced at run time by a version that is looked up: ${setting || "no setting"}`, async (t) => {
      const versions = await openVersions(t);
      await using harness = await openHarness({
        ...fastConnects,
        SESSIOND_NOWEB_VERSION: setting,
        SESSIOND_NOWEB_VERSION_URL: versions.url,
      });
      const { whatsapp, server, rest } = harness;
      await pairFleet(whatsapp, rest, 3);
      await untilAll(rest, "WORKING", 3);
      const [used = ""] = whatsapp.clientVersions;
      // The look-up at the start finds nothing newer.
      while (setting !== "" && versions.asked === 0) await rest.get("/ping");
      versions.publish(1_999_999_999);
      retire(whatsapp, used);
      await whatsapp.until(() => whatsapp.clientVersions.includes(next), "the version looked up");
      await untilAll(rest, "WORKING", 3);
      assert.equal(whatsapp.counters.pairings, 3, "nobody had to scan again");
      assert.equal(advice(server.log).length, 1, advice(server.log).join("\n"));
      for (const connection of whatsapp.connections) assert.ok(connection.device?.online);

      // A start without a network still has it.
      await server.kill();
      versions.answer = (response) => response.destroy();
      const before = whatsapp.clientVersions.length;
      await server.restart();
      await untilAll(rest, "WORKING", 3);
      assert.deepEqual([...new Set(whatsapp.clientVersions.slice(before))], [next]);
    });
  }

  it("does not make the server wait for a look-up that never answers", async (t) => {
    const versions = await openVersions(t);
    versions.answer = () => {};
    await using harness = await openHarness({
      SESSIOND_NOWEB_VERSION: "auto-web",
      SESSIOND_NOWEB_VERSION_URL: versions.url,
    });
    const { server, rest } = harness;
    await rest.post("/api/sessions", { name: "alice" });
    await rest.untilStatus("alice", "SCAN_QR_CODE");
    while (versions.asked === 0) await rest.get("/ping");
    assert.equal(await server.kill("SIGTERM"), 0);
  });
});
