import { connect, type Socket } from "node:net";
import type { TestContext } from "node:test";

/** A bare TCP connection with the bytes received so far. */
export interface RawSocket {
  readonly socket: Socket;
  /** Resolves with all bytes received (as Latin-1) once they match or contain the expected text. */
  received(awaited: RegExp | string): Promise<string>;
  /** Resolves with all bytes received when the connection closes. */
  readonly closed: Promise<string>;
}

/** Connects to a port of loopback. The socket ends with the test. */
export async function openSocket(t: TestContext, port: number): Promise<RawSocket> {
  const socket = connect({ port, host: "127.0.0.1" });
  let text = "";
  let onText = () => {};
  socket.on("data", (chunk) => {
    text += chunk.toString("latin1");
    onText();
  });
  socket.on("error", () => {});
  const closed = new Promise<string>((resolve) => socket.once("close", () => resolve(text)));
  t.after(() => socket.destroy());
  await new Promise((resolve) => socket.once("connect", resolve));
  const received = (awaited: RegExp | string) =>
    new Promise<string>((resolve) => {
      onText = () => {
        if (typeof awaited === "string" ? text.includes(awaited) : awaited.test(text)) resolve(text);
      };
      onText();
    });
  return { socket, received, closed };
}

/** Writes a text one byte at a time, each in a packet of its own. */
export async function dribble(socket: Socket, text: string): Promise<void> {
  for (const char of text) {
    await new Promise((resolve) => socket.write(char, "latin1", resolve));
    await new Promise(setImmediate);
  }
}
