import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { describe, it } from "node:test";
import { FrameGate, type GateRules } from "../../../src/adapters/baileys/frame-gate.ts";
import type { WebSocketClient } from "../../../src/adapters/baileys/web-socket.ts";
import { FakeStanding } from "../../support/fake-standing.ts";

const frame = (text: string) => Buffer.from(text);
const turn = () => new Promise(setImmediate);

/** A gate around a socket that notes everything that is done with it. */
function open(rules: Partial<GateRules> = {}) {
  const log: string[] = [];
  const note = (what: string) => () => log.push(what);
  const socket = {
    readyState: 1,
    send: (data: Uint8Array) => log.push(`sent ${Buffer.from(data)}`),
    close() {},
    terminate() {},
    once() {},
    ping: note("ping"),
    pause: note("pause"),
    resume: note("resume"),
  };
  const client = Object.assign(new EventEmitter(), { socket });
  const read: string[] = [];
  client.on("message", (text: string) => read.push(text));
  const standing = new FakeStanding();
  const gate = new FrameGate(client as unknown as WebSocketClient, {
    allWritten: () => undefined,
    standing,
    isShut: () => false,
    onHeard: note("heard"),
    onLost: note("lost"),
    ...rules,
  });
  return { log, socket, client, read, standing, gate, send: (text: string) => socket.send(frame(text)) };
}

describe("the gate of a socket's frames", () => {
  it("lets frames through at once that wait for nothing", () => {
    const { send, client, log, read } = open();
    send("a");
    client.emit("message", "b");
    assert.deepEqual([log, read], [["sent a"], ["b"]]);
  });

  it("keeps the order of frames that wait for different things", async () => {
    const waits = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let next = 0;
    const { send, log } = open({ allWritten: () => waits[next++]?.promise });
    for (const text of ["a", "b", "c"]) send(text);
    waits[1]?.resolve();
    await turn();
    assert.deepEqual(log, []);
    waits[0]?.resolve();
    await turn();
    assert.deepEqual(log, ["sent a", "sent b", "sent c"]);
  });

  it("holds a frame whose wait ends in a freeze", async () => {
    const written = Promise.withResolvers<void>();
    const { send, log, standing } = open({ allWritten: () => written.promise });
    send("a");
    standing.freeze();
    written.resolve();
    await turn();
    assert.deepEqual(log, []);
    standing.thaw();
    await turn();
    assert.deepEqual(log, ["sent a"]);
  });

  it("holds frames in a second freeze that follows the first at once", async () => {
    const { send, log, standing } = open();
    standing.freeze();
    send("a");
    standing.thaw();
    standing.freeze();
    await turn();
    assert.deepEqual(log, []);
    standing.thaw();
    await turn();
    assert.deepEqual(log, ["sent a"]);
  });

  it("lets a keepalive pass in a freeze if no frame waits", async () => {
    const { send, log, standing, gate } = open();
    standing.freeze();
    void gate.keepAlive(async () => {
      send("keepalive");
      return true;
    });
    send("a");
    await turn();
    assert.deepEqual(log, ["sent keepalive"]);
  });

  it("pings the WebSocket in a freeze if a frame waits", async () => {
    const { send, log, standing, gate } = open();
    standing.freeze();
    send("a");
    assert.equal(await gate.keepAlive(async () => assert.fail("sent out of order")), false);
    assert.deepEqual(log, ["ping"]);
  });

  it("reads 1,000 frames in a freeze, then no more, and passes all on in order", async () => {
    const { client, log, read, standing } = open({ onHeard: () => {} });
    standing.freeze();
    for (let i = 0; i < 1_003; i++) client.emit("message", `${i}`);
    assert.deepEqual([log, read], [["pause"], []]);
    standing.thaw();
    await turn();
    assert.deepEqual(log, ["pause", "resume"]);
    assert.deepEqual(
      read,
      Array.from({ length: 1_003 }, (_, i) => `${i}`),
    );
  });

  it("counts what comes in while frozen as a sign of life", () => {
    const { client, log, standing } = open();
    standing.freeze();
    client.emit("message", "a");
    client.emit("pong");
    assert.deepEqual(log, ["heard", "heard"]);
  });

  it("passes nothing in either direction once it is shut", async () => {
    let isShut = false;
    const { client, send, log, read, standing } = open({ isShut: () => isShut, onHeard: () => {} });
    standing.freeze();
    send("a");
    client.emit("message", "b");
    isShut = true;
    send("c");
    client.emit("message", "d");
    standing.thaw();
    await turn();
    assert.deepEqual([log, read], [[], []]);
  });

  it("passes nothing after a freeze in which the sessions were taken, and tells so", async () => {
    const { client, send, log, read, standing } = open({ onHeard: () => {} });
    standing.freeze();
    send("a");
    client.emit("message", "b");
    await turn();
    standing.lose();
    await turn();
    send("c");
    await turn();
    assert.deepEqual([log, read], [["lost"], []]);
  });
});
