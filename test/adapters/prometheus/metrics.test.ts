import assert from "node:assert/strict";
import { it } from "node:test";
import { createMetrics } from "../../../src/adapters/prometheus/metrics.ts";

it("the metrics contain recorded values and current gauges", async () => {
  let working = 2;
  const metrics = createMetrics(async () => ({
    sessions: working > 0 ? [{ labels: { status: "WORKING", engine: "NOWEB" }, value: working }] : [],
    inboundAges: working > 0 ? [{ labels: { session: "alice" }, value: 12.5 }] : [],
    pendingDeliveries: [{ labels: { state: "pending" }, value: 7 }],
    pendingUnlinks: 2,
    oldestPendingMs: 1500,
  }));
  metrics.attempted("success", 12);
  metrics.attempted("failure", 30_000);
  metrics.settled("delivered");
  metrics.started(-5);
  metrics.called("sessiond.v1.ServerService/Ping", "ok", 1);
  metrics.answered("GET", 200, 1);
  metrics.answered("MADE-UP", 501, 1);
  const { body, contentType } = await metrics.render();
  assert.match(contentType, /^text\/plain/);
  for (const line of [
    'sessiond_webhook_attempt_seconds_bucket{le="0.05",result="success"} 1',
    'sessiond_webhook_attempt_seconds_sum{result="failure"} 30',
    'sessiond_webhook_deliveries_total{outcome="delivered"} 1',
    "sessiond_webhook_lag_seconds_sum 0",
    'sessiond_rpc_seconds_count{method="sessiond.v1.ServerService/Ping",code="ok"} 1',
    'sessiond_http_seconds_count{method="GET",status="200"} 1',
    'sessiond_http_seconds_count{method="other",status="501"} 1',
    'sessiond_sessions{status="WORKING",engine="NOWEB"} 2',
    'sessiond_session_last_inbound_age_seconds{session="alice"} 12.5',
    'sessiond_webhook_pending{state="pending"} 7',
    "sessiond_pending_unlinks 2",
    "sessiond_webhook_oldest_pending_seconds 1.5",
    "process_resident_memory_bytes",
  ]) {
    assert.ok(body.includes(line), `${line} is missing`);
  }
  working = 0;
  // Gauges of former values are not shown.
  assert.doesNotMatch((await metrics.render()).body, /WORKING|alice/);
});
