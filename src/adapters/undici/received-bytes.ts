import type { buildConnector } from "undici";

const headEnd = Buffer.from("\r\n\r\n");
/** A head is followed by another one if its status is 1xx (RFC 9110, section 15.2). */
const isInterim = (head: Buffer): boolean => /^HTTP\/\d\.\d 1\d\d/.test(head.toString("latin1", 0, 16));

/** Counts the bytes of a response's body on its connection, also those beyond its Content-Length, which undici drops. */
export class ReceivedBytes {
  /** Bytes after the head of the response. */
  ofBody = 0;
  /** The part of the head that has arrived; undefined once it is complete. */
  #head: Buffer | undefined = Buffer.alloc(0);

  /** Returns a connector whose connection is counted. For one connection. */
  counting(connect: buildConnector.connector): buildConnector.connector {
    return (options, callback) =>
      connect(options, (...[error, socket]) => {
        if (error !== null) return callback(error, null);
        // undici reads the socket itself, which emits each piece here too.
        socket.on("data", (bytes: Buffer) => this.#take(bytes));
        callback(null, socket);
      });
  }

  #take(bytes: Buffer): void {
    if (!this.#head) {
      this.ofBody += bytes.length;
      return;
    }
    const all = Buffer.concat([this.#head, bytes]);
    const at = all.indexOf(headEnd);
    if (at < 0) {
      this.#head = all;
      return;
    }
    const rest = all.subarray(at + headEnd.length);
    this.#head = isInterim(all) ? Buffer.alloc(0) : undefined;
    this.#take(rest);
  }
}
