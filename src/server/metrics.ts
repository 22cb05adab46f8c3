import type { Gauges, Metrics } from "../adapters/prometheus/metrics.ts";
import type { Config } from "../config/config.ts";

/** Metrics of a server that does not show any. */
const uncounted: Metrics = {
  attempted() {},
  settled() {},
  started() {},
  called() {},
  answered() {},
  render: async () => ({ contentType: "text/plain", body: "" }),
};

/** Creates the metrics. Loads prom-client only if they are shown. */
export async function openMetrics({ metrics }: Config, gauges: () => Promise<Gauges>): Promise<Metrics> {
  if (!metrics) return uncounted;
  const { createMetrics } = await import("../adapters/prometheus/metrics.ts");
  return createMetrics(gauges);
}
