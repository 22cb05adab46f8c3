import type { EntryFamily } from "../../ports/transfer.ts";
import type { MoveProgress } from "./move-store.ts";

/** Words for the families. */
const words: Readonly<Record<EntryFamily, string>> = {
  session: "sessions",
  messages: "message logs",
  endpoint: "webhook endpoints",
  pendingUnlink: "devices to unlink",
  consumer: "consumers of the log",
  trimmed: "marks of trimmed logs",
  credentials: "entries of logins",
  chats: "entries of chats",
  event: "events",
  pending: "pending deliveries",
  delivered: "successful deliveries",
  failed: "failed deliveries",
  outgoing: "messages to send and sent",
};

/** Time between two lines about the same family, ms. */
const intervalMs = 5_000;

/** Prints a line for each family, and more of them while one takes long. */
export function reportTo(print: (line: string) => void, now: () => number): MoveProgress {
  let lastMs = now();
  return {
    copied(family, count, isDone) {
      if (isDone ? count === 0 : now() - lastMs < intervalMs) return;
      lastMs = now();
      print(`  ${count.toLocaleString("en").padStart(12)}  ${words[family]}${isDone ? "" : " so far"}`);
    },
    checking: () => print("Reading everything back …"),
  };
}
