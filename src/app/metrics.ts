import { Engine_Kind, Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import { statusOf } from "../domain/session.ts";
import type { Backend } from "../ports/backend.ts";

/** What is there at this moment, for metrics: sessions by status and engine, and what is pending. */
export async function currentGauges(backend: Pick<Backend, "list" | "queueStats">, nowMs: number) {
  const { records } = await backend.list();
  const sessions = Map.groupBy(records, (record) => `${Status[statusOf(record)]} ${Engine_Kind[record.engine]}`);
  const { pending, retrying, oldestMs } = backend.queueStats();
  return {
    sessions: Array.from(sessions, ([key, found]) => {
      const [status = "", engine = ""] = key.split(" ");
      return { labels: { status, engine }, value: found.length };
    }),
    pendingDeliveries: [
      { labels: { state: "pending" }, value: pending },
      { labels: { state: "retrying" }, value: retrying },
    ],
    oldestPendingMs: oldestMs === undefined ? 0 : Math.max(0, nowMs - oldestMs),
  };
}
