import { randomUUID } from "node:crypto";
import type { HttpRequest, HttpResponse } from "../exchange.ts";

const HEADER = "x-request-id";

/** Names the exchange: by the client's X-Request-Id where it is sane, else at random. Both req and res carry it then. */
export function assignRequestId(req: HttpRequest, res: HttpResponse): string {
  const sent = req.headers[HEADER];
  const id = typeof sent === "string" && /^[\w.-]{1,128}$/.test(sent) ? sent : randomUUID();
  req.headers[HEADER] = id;
  res.setHeader(HEADER, id);
  return id;
}
