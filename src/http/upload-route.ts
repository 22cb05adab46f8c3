import { jsonAnswer, send } from "./exchange.ts";
import { refuseLargeBody } from "./rest/body.ts";
import { requestHeaders } from "./rest/forward-headers.ts";
import type { PlainRoute } from "./rest/transcoder.ts";

/** Options of the route. Errors are answered like those of RPCs. */
export interface UploadRouteOptions {
  /** Size of a file, at most. */
  readonly maxBytes: number;
  /** Throws or rejects for a caller who may not upload. */
  readonly admit: (header: Headers) => void | Promise<void>;
  /** Stores a file; returns what the caller gets as JSON. Rejects if the file cannot be stored. */
  readonly store: (session: string, content: AsyncIterable<Uint8Array>) => Promise<object>;
}

/** Returns the route POST /api/{session}/media, whose body is the file. */
export const createUploadRoute = ({ maxBytes, admit, store }: UploadRouteOptions): PlainRoute => ({
  method: "POST",
  path: "/api/{session}/media",
  async handler({ req, res, variables }) {
    await admit(requestHeaders(req));
    refuseLargeBody(req, { maxBytes, advice: ", the limit that SESSIOND_MAX_FILE_BYTES sets" });
    send(req, res, jsonAnswer(201, await store(variables.get("session") ?? "", req)));
  },
});
