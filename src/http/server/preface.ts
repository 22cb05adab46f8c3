import type { Socket } from "node:net";

/** Protocol of a connection. */
export type WireProtocol = "http1" | "http2";

// The client connection preface of RFC 9113, section 3.4.
const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/**
 * Detects the protocol of a new socket by its first bytes, unshifts them, and calls `onDetected` once with the socket paused.
 * Destroys the socket after `timeoutMs` without a result.
 */
export function detectProtocol(socket: Socket, timeoutMs: number, onDetected: (protocol: WireProtocol) => void): void {
  let seen: Buffer = Buffer.alloc(0);
  const destroy = () => socket.destroy();
  let late: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => {
    // If this server was busy, the first bytes may be waiting to be read.
    late = setImmediate(destroy);
  }, timeoutMs);

  function stop(): void {
    clearTimeout(timer);
    clearImmediate(late);
    socket.off("data", onData).off("end", destroy).off("error", destroy).off("close", stop);
  }

  function onData(chunk: Buffer): void {
    seen = seen.byteLength === 0 ? chunk : Buffer.concat([seen, chunk]);
    const verdict = judge(seen);
    if (verdict === undefined) return;
    stop();
    socket.pause();
    socket.unshift(seen);
    onDetected(verdict);
  }

  socket.on("data", onData).once("end", destroy).once("error", destroy).once("close", stop);
}

/** Returns the protocol of some first bytes; undefined while they are a proper prefix of the HTTP/2 preface. */
function judge(seen: Buffer): WireProtocol | undefined {
  const length = Math.min(seen.byteLength, preface.byteLength);
  if (preface.compare(seen, 0, length, 0, length) !== 0) return "http1";
  return length === preface.byteLength ? "http2" : undefined;
}
