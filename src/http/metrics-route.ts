import { send } from "./exchange.ts";
import { HttpProblem } from "./problem.ts";
import { requestHeaders } from "./rest/forward-headers.ts";
import type { PlainRoute } from "./rest/transcoder.ts";

/** Returns the route GET /metrics. Answers 401 unless `admits` accepts the request's headers. */
export const createMetricsRoute = (
  render: () => Promise<{ contentType: string; body: string }>,
  admits: (header: Headers) => boolean,
): PlainRoute => ({
  method: "GET",
  path: "/metrics",
  async handler({ req, res }) {
    if (!admits(requestHeaders(req))) throw new HttpProblem(401, "Unauthorized", { closes: true });
    const { contentType, body } = await render();
    send(req, res, { status: 200, contentType, body, headers: { "Cache-Control": "no-store" } });
  },
});
