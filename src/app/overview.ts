import type { SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import { Session_Health as Health, Session_StatusReason as Reason } from "../../gen/sessiond/v1/session_pb.js";
import { WebhookEndpoint_State as EndpointState } from "../../gen/sessiond/v1/webhook_pb.js";
import { endpointStateOf } from "../domain/endpoint-health.ts";
import { statusOf } from "../domain/session.ts";
import type { Backend } from "../ports/backend.ts";

/** Counts sessions by status, reason and engine, names those that do not answer, and counts webhooks. */
export async function currentOverview({ sessions, outbox }: Pick<Backend, "sessions" | "outbox">) {
  const { records } = await sessions.list();
  const failing = records.filter(({ reason }) => reason !== Reason.STATUS_REASON_UNSPECIFIED);
  const endpoints = { all: 0, failing: 0, disabled: 0 };
  for (const { name } of records) {
    for (const endpoint of await outbox.endpoints(name)) {
      if (endpoint.removed) continue;
      const state = endpointStateOf(endpoint);
      endpoints.all += 1;
      if (state === EndpointState.FAILING) endpoints.failing += 1;
      if (state === EndpointState.DISABLED) endpoints.disabled += 1;
    }
  }
  return {
    total: records.length,
    byStatus: countBy(records, statusOf),
    byReason: countBy(failing, ({ reason }) => reason),
    byEngine: countBy(records, ({ engine }) => engine),
    suspects: records.filter(({ health }) => health === Health.SUSPECT).map(({ name }) => name),
    endpoints,
    deliveries: await outbox.queueStats(),
  };
}

/** Returns the numbers of records by key, in the order of the keys. */
function countBy<K extends number>(records: readonly SessionRecord[], keyOf: (record: SessionRecord) => K) {
  const counts = new Map<K, number>();
  for (const record of records) counts.set(keyOf(record), (counts.get(keyOf(record)) ?? 0) + 1);
  return [...counts].sort(([a], [b]) => a - b);
}
