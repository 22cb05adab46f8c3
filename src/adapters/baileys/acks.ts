import { type BinaryNode, getBinaryNodeChild, getBinaryNodeChildren } from "@whiskeysockets/baileys";
import { MessagePayload_Ack as Ack } from "../../../gen/sessiond/v1/event_pb.js";
import type { AckReport } from "../../ports/sending.ts";
import { chatId, isLid, type Person } from "../engine/chat-id.ts";
import type { EngineLife } from "../engine/engine-life.ts";
import type { People } from "../engine/people.ts";

/** Acknowledgements by the type of a receipt (whatsmeow, types/presence.go). A device whose app is in the background answers "inactive". */
const receiptAcks: Readonly<Record<string, Ack>> = {
  "": Ack.DEVICE,
  inactive: Ack.DEVICE,
  read: Ack.READ,
  played: Ack.PLAYED,
};

/** Returns what a receipt reports on messages that the account sent. Receipts of the account's other devices report nothing. */
export function receiptsIn(receipt: BinaryNode, me: Person): AckReport[] {
  const { from, participant, id, type = "" } = receipt.attrs;
  const ack = Object.hasOwn(receiptAcks, type) ? receiptAcks[type] : undefined;
  if (ack === undefined || !from) return [];
  const reports = [];
  for (const member of membersIn(receipt)) {
    const person = chatId(member.jid ?? participant ?? from);
    if (person === me.id || person === me.lid) continue;
    const ids = member.messageId === undefined ? [id, ...listedIn(receipt)] : [member.messageId];
    const isPart = member.jid !== undefined || participant !== undefined;
    for (const one of ids) {
      if (one) reports.push({ id: one, ack, chatId: chatId(from), ...(isPart && { participant: person }) });
    }
  }
  return reports;
}

/** Ids of further messages that a receipt is for. */
const listedIn = (receipt: BinaryNode): (string | undefined)[] =>
  getBinaryNodeChildren(getBinaryNodeChild(receipt, "list"), "item").map(({ attrs }) => attrs.id);

/** Returns the members of a group whom WhatsApp has put into one receipt (whatsmeow, handleGroupedReceipt); else one without a name. */
function membersIn(receipt: BinaryNode): { jid?: string | undefined; messageId?: string | undefined }[] {
  const grouped = getBinaryNodeChildren(receipt, "participants");
  if (grouped.length === 0) return [{}];
  return grouped.flatMap((part) =>
    getBinaryNodeChildren(part, "user").map(({ attrs: { jid } }) => ({ jid, messageId: part.attrs.key })),
  );
}

/** Returns a report with people's numbers, if they are known. */
export async function withNumber(report: AckReport, people: People): Promise<AckReport> {
  const shown = async (id: string) => (isLid(id) ? ((await people.otherOf(id)) ?? id) : id);
  const { chatId, participant } = report;
  return {
    ...report,
    ...(chatId !== undefined && { chatId: await shown(chatId) }),
    ...(participant !== undefined && { participant: await shown(participant) }),
  };
}

/**
 * Reports of WhatsApp on sent messages that are not committed yet. A receipt comes only once after it is acknowledged, so no frame leaves
 * before that.
 */
export class AckReports {
  readonly #life: Pick<EngineLife, "enqueue" | "report">;
  #added = 0;
  #committed = 0;
  #waiting: { readonly place: number; readonly resolve: () => void }[] = [];

  constructor(life: Pick<EngineLife, "enqueue" | "report">) {
    this.#life = life;
  }

  /** Returns true if all reports are committed. */
  get isEmpty(): boolean {
    return this.#added === this.#committed;
  }

  /** Reports after all earlier work of the engine; `named` returns the reports with people's chat ids, in the same number. */
  add(reports: readonly AckReport[], named: (reports: readonly AckReport[]) => Promise<readonly AckReport[]>): void {
    if (reports.length === 0) return;
    this.#added += reports.length;
    this.#life.enqueue(async () => {
      for (const report of await named(reports)) this.#life.report({ type: "ack", report }, () => this.#commit(1));
    });
  }

  /** Resolves when all reports that were added so far are committed, or at `giveUp()`. */
  async committed(): Promise<void> {
    if (this.isEmpty) return;
    const place = this.#added;
    await new Promise<void>((resolve) => this.#waiting.push({ place, resolve }));
  }

  /** Counts all reports as committed, because the device is being unlinked. */
  giveUp(): void {
    this.#commit(this.#added - this.#committed);
  }

  #commit(count: number): void {
    this.#committed = Math.min(this.#added, this.#committed + count);
    const before = this.#waiting;
    this.#waiting = before.filter(({ place }) => place > this.#committed);
    for (const { place, resolve } of before) if (place <= this.#committed) resolve();
  }
}
