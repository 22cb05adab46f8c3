import type { HandlerContext } from "@connectrpc/connect";
import type { Tickets } from "../../ports/tickets.ts";
import { type Admits, keyRequired, readKey, ticketHeader } from "../authentication.ts";
import type { LiveStreamOptions, StreamPolicy } from "./live-stream.ts";

/** Options of all streams. */
export interface StreamsOptions {
  readonly policy: StreamPolicy;
  readonly clock: LiveStreamOptions<unknown>["clock"];
  readonly admits: Admits;
  readonly tickets: Tickets;
}

/** Creates the options of single streams. */
export class Streams {
  readonly #options: StreamsOptions;
  /** The last header created: nearly all streams have the same key. */
  #last: { readonly key: string; readonly header: Headers } | undefined;

  constructor(options: StreamsOptions) {
    this.#options = options;
  }

  /** For a stream that begins now: as long as it lives, its reader must still have a key that is let in. */
  optionsFor({ method, requestHeader, signal }: Pick<HandlerContext, "method" | "requestHeader" | "signal">) {
    const { policy, clock, admits, tickets } = this.#options;
    // A ticket opens a stream; what it stood for is looked at from then on.
    const key = tickets.keyOf(requestHeader.get(ticketHeader) ?? "") ?? readKey(requestHeader);
    const header = this.#headerWith(key);
    const check = () => {
      if (!admits(method, header)) throw keyRequired();
    };
    return { policy, clock, signal, check };
  }

  #headerWith(key: string): Headers {
    if (this.#last?.key !== key) this.#last = { key, header: new Headers({ "x-api-key": key }) };
    return this.#last.header;
  }
}
