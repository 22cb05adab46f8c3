import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { it } from "node:test";
import { catchListenerErrors, type WebSocketClient } from "../../../src/adapters/baileys/web-socket.ts";

it("catches errors and rejections of listeners, and tells which ones are vital", async () => {
  const client = new EventEmitter();
  const heard: string[] = [];
  client.on("message", async () => Promise.reject(new Error("cannot decrypt")));
  client.on("CB:notification", () => {
    throw new Error("bad stanza");
  });
  client.on("CB:notification", () => heard.push("second"));
  const failures: [unknown, boolean][] = [];
  catchListenerErrors(client as WebSocketClient, (error, vital) => failures.push([error, vital]));

  client.emit("CB:notification");
  client.emit("message");
  await new Promise(setImmediate);
  assert.deepEqual(heard, ["second"]);
  assert.deepEqual(
    failures.map(([error, vital]) => [error instanceof Error && error.message, vital]),
    [
      ["bad stanza", false],
      ["cannot decrypt", true],
    ],
  );
});
