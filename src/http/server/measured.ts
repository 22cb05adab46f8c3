import type { RequestListener } from "../exchange.ts";

/** Tells of each request when it is over: its method, the status it was answered with, and how long it took. */
export function measured(
  listener: RequestListener,
  ended: (method: string, status: number, durationMs: number) => void,
): RequestListener {
  return (req, res) => {
    const startMs = performance.now();
    res.once("close", () => ended(req.method ?? "", res.statusCode, performance.now() - startMs));
    listener(req, res);
  };
}
