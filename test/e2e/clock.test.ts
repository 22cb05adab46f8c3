import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { jumps } from "../support/clock-jumps.ts";
import { openHarness } from "./harness.ts";

/** Opens a server whose clock a test sets, before its start or at run time. */
async function openClockedHarness() {
  const directory = await mkdtemp(join(tmpdir(), "sessiond-clock-"));
  const file = join(directory, "set-by-ms");
  await writeFile(file, "0");
  const preload = new URL("./set-clock.ts", import.meta.url).href;
  const harness = await openHarness({ NODE_OPTIONS: `--import=${preload}`, SET_CLOCK_FILE: file });
  const { server, rest } = harness;
  return {
    ...harness,
    /** Before the server starts again. */
    setNext: (ms: number) => writeFile(file, String(ms)),
    /** Resolves once the server's clock has been moved by `ms`. */
    async set(ms: number) {
      await writeFile(file, String(ms));
      process.kill(server.pid ?? 0, "SIGUSR2");
      for (;;) {
        const { startTimestamp, uptime } = (await rest.get("/api/server/status")).body;
        const serverMs = Number(startTimestamp) + Number(uptime);
        if (Math.abs(serverMs - Date.now() - ms) < 60_000) return;
        await delay(10);
      }
    },
    async [Symbol.asyncDispose]() {
      await harness[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Longer than any wait in these tests. */
const soon = { timeout: 30_000 };

describe("a server on a machine whose clock is set", () => {
  it("starts and restarts sessions and retries webhooks as before", soon, async () => {
    await using harness = await openClockedHarness();
    const { hook, rest } = harness;
    for (const [index, [name, jumpMs]] of jumps.entries()) {
      await harness.set(jumpMs);
      const session = `s${index}`;
      const retries = { policy: "constant", delaySeconds: 1, attempts: 15 };
      const webhooks = [{ url: hook.url, events: ["session.status"], retries }];
      hook.status = 500;
      await rest.post("/api/sessions", { name: session, config: { webhooks } });
      await rest.untilStatus(session, "SCAN_QR_CODE");
      await rest.post(`/api/sessions/${session}/restart`);
      await rest.untilStatus(session, "SCAN_QR_CODE");
      for (;;) {
        const { body } = await rest.get(`/api/sessions/${session}/webhooks/deliveries?state=RETRYING`);
        const due = body.deliveries?.[0]?.nextAttemptAt;
        if (due !== undefined) {
          const waitMs = Date.parse(String(due)) - (Date.now() + jumpMs);
          assert.ok(Math.abs(waitMs) <= 2_000, `${name}: it is shown to wait ${waitMs} ms`);
          break;
        }
        await delay(10);
      }
      hook.status = 200;
      await hook.until((taken) => taken.some(({ body }) => body.session === session));
      await rest.delete(`/api/sessions/${session}`);
    }
  });

  for (const [name, jumpMs] of jumps) {
    it(`delivers pending webhooks after a kill, with the clock set ${name} before the start`, soon, async () => {
      await using harness = await openClockedHarness();
      const { hook, rest, server } = harness;
      const retries = { policy: "constant", delaySeconds: 2, attempts: 15 };
      const webhooks = [{ url: hook.url, events: ["session.status"], retries }];
      hook.status = 500;
      await rest.post("/api/sessions", { name: "alice", config: { webhooks } });
      await rest.untilStatus("alice", "SCAN_QR_CODE");
      const deliveries = "/api/sessions/alice/webhooks/deliveries?state=RETRYING";
      while ((await rest.get(deliveries)).body.deliveries?.[0] === undefined) await delay(10);
      await server.kill("SIGKILL");
      hook.status = 200;
      await harness.setNext(jumpMs);
      await server.restart();
      await hook.until((taken) => taken.some(({ body }) => body.payload.status === "STARTING"));
      await rest.untilStatus("alice", "SCAN_QR_CODE");
    });
  }
});
