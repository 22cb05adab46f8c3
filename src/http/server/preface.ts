import type { Socket } from "node:net";

/** What a client speaks, told by its first bytes. */
export type WireProtocol = "http1" | "http2";

// The client connection preface of RFC 9113, section 3.4.
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/**
 * Reads a new socket until its first bytes tell HTTP/1.1 from HTTP/2, puts them back, and calls `onDetected` once with
 * the socket paused. A socket whose bytes have not told by then is destroyed after `timeoutMs`.
 */
export function detectProtocol(socket: Socket, timeoutMs: number, onDetected: (protocol: WireProtocol) => void): void {
  let seen: Buffer = Buffer.alloc(0);
  const destroy = () => socket.destroy();
  let late: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => {
    // A server that was busy itself reads first what has arrived meanwhile.
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

/** undefined: every byte so far is the preface's, but there are too few. */
function judge(seen: Buffer): WireProtocol | undefined {
  const length = Math.min(seen.byteLength, PREFACE.byteLength);
  if (PREFACE.compare(seen, 0, length, 0, length) !== 0) return "http1";
  return length === PREFACE.byteLength ? "http2" : undefined;
}
