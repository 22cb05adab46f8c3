import { Engine_Kind, Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import { statusOf } from "../domain/session.ts";
import type { Backend } from "../ports/backend.ts";
import type { SessionManager } from "./session-manager.ts";

/**
 * Returns the present values of gauges: sessions by status and engine, the time since WhatsApp was last heard by session, and what is
 * pending at webhooks and at WhatsApp.
 */
export async function currentGauges(
  backend: Pick<Backend, "sessions" | "outbox">,
  manager: Pick<SessionManager, "lastInbound" | "pendingUnlinks" | "memberCounts">,
  nowMs: number,
) {
  const { records } = await backend.sessions.list();
  const sessions = Map.groupBy(records, (record) => `${Status[statusOf(record)]} ${Engine_Kind[record.engine]}`);
  const { pending, retrying, oldestMs } = await backend.outbox.queueStats();
  return {
    sessions: Array.from(sessions, ([key, found]) => {
      const [status = "", engine = ""] = key.split(" ");
      return { labels: { status, engine }, value: found.length };
    }),
    inboundAges: Array.from(await manager.lastInbound(), ([session, atMs]) => ({
      labels: { session },
      value: Math.max(0, nowMs - atMs) / 1000,
    })),
    pendingDeliveries: [
      { labels: { state: "pending" }, value: pending },
      { labels: { state: "retrying" }, value: retrying },
    ],
    pendingUnlinks: manager.pendingUnlinks,
    node: manager.memberCounts,
    oldestPendingMs: oldestMs === undefined ? 0 : Math.max(0, nowMs - oldestMs),
  };
}
