import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { createServer as createNetServer } from "node:net";
import { describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from "../gen/health/v1/health_pb.js";
import { openMemoryBackend } from "../src/adapters/memory/backend.ts";
import { systemClock as clock } from "../src/adapters/node/system.ts";
import type { Backend } from "../src/ports/backend.ts";
import type { Logger } from "../src/ports/system.ts";
import { startServer } from "./support/server.ts";

/** A logger that stores the messages of its lines. */
function recorder(): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const write = (_: object, message: string) => void lines.push(message);
  const logger: Logger = { debug: write, info: write, warn: write, error: write, child: () => logger };
  return { logger, lines };
}

/** The backend with another check of its store. */
function withCheck(backend: Backend, check: () => Promise<void>): Backend {
  const { upkeep } = backend;
  return { ...backend, upkeep: { check, trim: (...args) => upkeep.trim(...args), close: () => upkeep.close() } };
}

describe("createServer", () => {
  it("leaves no handlers of the process behind", async (t) => {
    const events = ["uncaughtException", "unhandledRejection", "SIGTERM", "SIGINT"];
    const counts = () => events.map((event) => process.listenerCount(event));
    const before = counts();
    const server = await startServer(t, {}, { processEvents: process });
    await server.stop();
    assert.deepEqual(counts(), before);
  });

  it("logs failures that nothing caught, and goes on", async (t) => {
    const { logger, lines } = recorder();
    const processEvents = new EventEmitter();
    const { url } = await startServer(t, {}, { logger, processEvents });
    processEvents.emit("uncaughtException", new Error("a library's own"));
    processEvents.emit("unhandledRejection", new Error("a library's own"));
    assert.equal((await fetch(`${url}/ping`)).status, 200);
    assert.deepEqual(
      lines.filter((line) => /uncaught|unhandled/.test(line)),
      ["uncaught exception", "unhandled rejection"],
    );
  });

  it("closes what it has opened if the port is in use", async (t) => {
    const blocker = createNetServer();
    await new Promise<void>((resolve) => blocker.listen(0, "127.0.0.1", resolve));
    t.after(() => blocker.close());
    const address = blocker.address();
    assert.ok(typeof address === "object" && address);
    const backend = openMemoryBackend({ clock });
    const processEvents = new EventEmitter();
    await assert.rejects(startServer(t, { PORT: String(address.port) }, { backend, processEvents }), /EADDRINUSE/);
    assert.deepEqual(processEvents.eventNames(), []);
    // A backend that is closed ends its readers.
    for await (const _ of backend.log.events(undefined, 0n, new AbortController().signal));
  });

  it("stops once, however often it is asked to", async (t) => {
    const { logger, lines } = recorder();
    const server = await startServer(t, {}, { logger });
    await Promise.all([server.stop(), server.stop()]);
    await server.stop();
    assert.deepEqual(
      lines.filter((line) => line.startsWith("stop")),
      ["stopping", "stopped"],
    );
    await assert.rejects(fetch(server.url));
  });

  it("warns about a misspelt variable at the start", async (t) => {
    const { logger, lines } = recorder();
    await startServer(t, { SESSIOND_MAX_STREAM: "1" }, { logger });
    assert.match(lines.join("\n"), /SESSIOND_MAX_STREAM .* did you mean SESSIOND_MAX_STREAMS\?/);
  });
});

describe("the health of a server", () => {
  for (const isUp of [true, false]) {
    it(`is the same by REST and gRPC while the store ${isUp ? "accepts" : "refuses"} writes`, async (t) => {
      const backend = openMemoryBackend({ clock });
      const check = isUp ? async () => {} : () => Promise.reject(new Error("the disk is full"));
      const { url } = await startServer(t, {}, { backend: withCheck(backend, check) });
      const { status } = await createClient(Health, createGrpcTransport({ baseUrl: url })).check({});
      assert.equal((await fetch(`${url}/health`)).status, isUp ? 200 : 503);
      assert.equal(status, isUp ? ServingStatus.SERVING : ServingStatus.NOT_SERVING);
    });
  }

  it("costs the store few writes, however often callers without a key ask", async (t) => {
    const backend = openMemoryBackend({ clock });
    let writes = 0;
    const check = async () => {
      writes += 1;
    };
    const startedAtMs = clock.nowMs();
    const { url } = await startServer(t, { WAHA_API_KEY: "key" }, { backend: withCheck(backend, check) });
    const health = createClient(Health, createGrpcTransport({ baseUrl: url }));
    for (let n = 0; n < 100; n += 1) await Promise.all([fetch(`${url}/health`), health.check({})]);
    const seconds = (clock.nowMs() - startedAtMs) / 1000;
    assert.ok(writes <= seconds + 1, `${writes} writes in ${seconds} s`);
  });
});
