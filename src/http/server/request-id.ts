import { randomUUID } from "node:crypto";
import type { HttpRequest, HttpResponse } from "../exchange.ts";

const header = "x-request-id";

/** Assigns the client's X-Request-Id, or a random one if that is missing or malformed, to the request and the response. */
export function assignRequestId(req: HttpRequest, res: HttpResponse): string {
  const sent = req.headers[header];
  const id = typeof sent === "string" && /^[\w.-]{1,128}$/.test(sent) ? sent : randomUUID();
  req.headers[header] = id;
  res.setHeader(header, id);
  return id;
}
