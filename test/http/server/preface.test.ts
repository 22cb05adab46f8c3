import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { describe, it } from "node:test";
import { Worker } from "node:worker_threads";
import { detectProtocol, type WireProtocol } from "../../../src/http/server/preface.ts";

/** Connects from a thread of its own, so that it sends while the server's thread is busy. */
const client = `
  const { connect } = require("node:net");
  const { workerData } = require("node:worker_threads");
  connect(workerData.port, "127.0.0.1").end("GET / HTTP/1.1\\r\\n\\r\\n");`;

const firstBytesMs = 20;
const busyMs = 500;

const block = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

describe("a connection's first bytes", () => {
  it("are read although the server was busy until long after their deadline", async (t) => {
    const detected = Promise.withResolvers<WireProtocol | "closed">();
    const server = createServer((socket: Socket) => {
      socket.once("close", () => detected.resolve("closed"));
      detectProtocol(socket, firstBytesMs, (protocol) => {
        detected.resolve(protocol);
        socket.destroy();
      });
      block(busyMs);
    });
    t.after(() => server.close());
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port } = server.address() as AddressInfo;
    const worker = new Worker(client, { eval: true, workerData: { port } });
    assert.equal(await detected.promise, "http1");
    await once(worker, "exit");
  });
});
