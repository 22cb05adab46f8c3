import type { Writable } from "node:stream";
import { type HttpResponse, isGone, waitForDrain } from "../exchange.ts";

/** A server-sent event (https://html.spec.whatwg.org/#server-sent-events). */
export interface ServerSentEvent {
  readonly id?: string;
  readonly event?: string;
  /** One line of JSON. */
  readonly data: string;
}

/** Response that streams server-sent events. */
export interface EventStream {
  /** Sends the headers, and from then on a comment every `heartbeatMs`. Idempotent. */
  open(): void;
  /** Sends an event, and opens the stream if necessary. Resolves when there is room for the next or the client is gone. */
  send(event: ServerSentEvent): Promise<void>;
  /** Ends the response. */
  end(): void;
}

/** Creates a stream on `res`. Sends nothing before `open` or `send`. */
export function createEventStream(res: HttpResponse, status: number, heartbeatMs: number): EventStream {
  const out: Writable = res;
  let isOpen = false;

  function open(): void {
    if (isOpen) return;
    isOpen = true;
    res.statusCode = status;
    res.setHeader("Content-Type", "text/event-stream; charset=utf-8");
    res.setHeader("Cache-Control", "no-cache");
    // Turns off nginx's buffering: https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering
    res.setHeader("X-Accel-Buffering", "no");
    if ("flushHeaders" in res) res.flushHeaders();
    const timer = setInterval(() => {
      if (!out.writableNeedDrain && !isGone(res)) out.write(": heartbeat\n\n");
    }, heartbeatMs).unref();
    res.once("close", () => clearInterval(timer));
    res.once("finish", () => clearInterval(timer));
  }

  return {
    open,
    async send({ id, event, data }) {
      open();
      const lines = [`data: ${data}`];
      if (event !== undefined) lines.unshift(`event: ${event}`);
      if (id !== undefined) lines.unshift(`id: ${id}`);
      if (isGone(res)) return;
      const hasRoom = out.write(`${lines.join("\n")}\n\n`);
      if (!hasRoom && !isGone(res)) await waitForDrain(out);
    },
    end() {
      res.end();
    },
  };
}
