import type { RequestListener } from "../exchange.ts";

/** Returns `listener` with `onEnd` called at the end of each request. */
export function measureRequests(
  listener: RequestListener,
  onEnd: (method: string, status: number, durationMs: number) => void,
): RequestListener {
  return (req, res) => {
    const startMs = performance.now();
    res.on("close", () => onEnd(req.method ?? "", res.statusCode, performance.now() - startMs));
    listener(req, res);
  };
}
