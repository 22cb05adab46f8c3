import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openHarness } from "./harness.ts";
import { RestClient } from "./rest-client.ts";

const key = "k3y-of-the-owner";

/** Reads a stream of codes: scans the second code, and returns how the pairing ended. */
async function pairBy(bearer: RestClient, scan: (code: string) => Promise<unknown>): Promise<string> {
  for await (const { qr, outcome } of bearer.stream("/api/alice/auth/qr-stream")) {
    if (outcome) return String(outcome.result);
    if (qr) await scan(String(qr.value));
  }
  return "nothing";
}

describe("a pairing link, in a server that was killed and started again", () => {
  it("pairs its session once, with a phone, and then opens nothing", async () => {
    await using harness = await openHarness({ WAHA_API_KEY: key, SESSIOND_HOST: "127.0.0.1", WAHA_LOG_LEVEL: "debug" });
    const { server, whatsapp } = harness;
    const owner = new RestClient(() => server.baseUrl, { "x-api-key": key });
    await owner.post("/api/sessions", { name: "alice" });
    await owner.untilStatus("alice", "SCAN_QR_CODE");
    const { status, body } = await owner.post("/api/alice/auth/pairing-links", { ttl: "3600s" });
    assert.equal(status, 201);
    const token = String(body.url).replace("/pair#", "");

    await server.kill("SIGKILL");
    await server.restart();
    const bearer = new RestClient(() => server.baseUrl, { "x-pairing-token": token });
    assert.equal((await bearer.get("/api/pairing-link")).body.session, "alice");
    await owner.untilStatus("alice", "SCAN_QR_CODE");
    const phone = whatsapp.phone();
    assert.equal(await pairBy(bearer, (code) => phone.scan(code)), "RESULT_PAIRED");
    assert.equal(await owner.untilStatus("alice", "WORKING"), "WORKING");

    const paths = ["/api/pairing-link", "/api/alice/auth/qr-stream", "/api/sessions", "/api/alice/auth/qr"];
    const statuses = await Promise.all(paths.map(async (path) => (await bearer.get(path)).status));
    assert.deepEqual(
      statuses,
      paths.map(() => 401),
    );
    await server.kill("SIGKILL");
    await server.restart();
    assert.equal((await bearer.get("/api/pairing-link")).status, 401);
    assert.equal(server.log.join("\n").includes(token), false, "no log line shows the token");
    assert.deepEqual(whatsapp.faults, []);
  });
});
