import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { isJidGroup, type NewChatMessageCapInfo, type ReachoutTimelockState } from "@whiskeysockets/baileys";
import {
  type Me,
  type MessageCapping,
  MessageCappingSchema,
  type ReachoutTimelock,
  ReachoutTimelockSchema,
} from "../../../gen/sessiond/v1/session_pb.js";
import { lockEndMs } from "../../domain/account.ts";
import type { AccountLimits } from "../../ports/sending.ts";
import type { Clock } from "../../ports/system.ts";
import { isLid, isPerson } from "../engine/chat-id.ts";
import type { Connection } from "./connection.ts";
import { jidOf } from "./name-sources.ts";
import type { RecentMessages } from "./recent-messages.ts";

/** The parts of an engine that its limits need. */
export interface LimitsParts {
  readonly clock: Clock;
  /** Aborted when the engine ends. */
  readonly signal: AbortSignal;
  readonly recent: Pick<RecentMessages, "hasFrom">;
  /** Runs work on the logged-in connection. Rejects with ConnectionLost if there is none, or if it ends meanwhile. */
  connected<T>(work: (connection: Connection) => Promise<T>): Promise<T>;
  /** Called after WhatsApp has told something new. */
  changed(): void;
}

/** WhatsApp's limits on the account, as it tells them on request and by itself. */
export class BaileysLimits implements AccountLimits {
  readonly #parts: LimitsParts;
  /** People who are strangers to WhatsApp, whatever the login knows of them, by chat id. */
  readonly #refused = new Set<string>();
  #timelock: ReachoutTimelock | undefined;
  #capping: MessageCapping | undefined;
  #cancelEnd = () => {};

  constructor(parts: LimitsParts) {
    this.#parts = parts;
    parts.signal.addEventListener("abort", () => this.#cancelEnd(), { once: true });
  }

  /** Returns the account with all that this engine has heard of its limits. */
  completed(me: Me | undefined): Me | undefined {
    return (
      me && {
        ...me,
        ...(this.#timelock && { reachoutTimelock: this.#timelock }),
        ...(this.#capping && { messageCapping: this.#capping }),
      }
    );
  }

  timelock(): Promise<ReachoutTimelock> {
    return this.#parts.connected(async ({ socket }) => this.heardTimelock(await socket.fetchAccountReachoutTimelock()));
  }

  capping(): Promise<MessageCapping> {
    return this.#parts.connected(async ({ socket }) => this.heardCapping(await socket.fetchNewChatMessageCap()));
  }

  /** Asks for all limits, as far as WhatsApp answers, and reports them together. Never rejects. */
  async refresh(): Promise<void> {
    const asked = this.#parts.connected(({ socket }) =>
      Promise.allSettled([socket.fetchAccountReachoutTimelock(), socket.fetchNewChatMessageCap()]),
    );
    const [lock, cap] = await asked.catch(() => []);
    if (lock?.status === "fulfilled") this.#takeTimelock(lock.value);
    if (cap?.status === "fulfilled") this.#takeCapping(cap.value);
    this.#parts.changed();
  }

  /** WhatsApp has refused a message, because it would start a chat. */
  refused(jid: string, chatId: string): void {
    if (isJidGroup(jid)) return;
    this.#refused.add(chatId);
    void this.timelock().catch(() => {});
  }

  /** Takes and reports what WhatsApp tells of the lock. */
  heardTimelock(state: ReachoutTimelockState): ReachoutTimelock {
    const timelock = this.#takeTimelock(state);
    this.#parts.changed();
    return timelock;
  }

  /** Takes and reports what WhatsApp tells of the quota. */
  heardCapping(info: NewChatMessageCapInfo): MessageCapping {
    const capping = this.#takeCapping(info);
    this.#parts.changed();
    return capping;
  }

  #takeTimelock({ isActive, timeEnforcementEnds, enforcementType }: ReachoutTimelockState): ReachoutTimelock {
    const endMs = timeEnforcementEnds?.getTime();
    const hasEnd = endMs !== undefined && Number.isFinite(endMs) && endMs > 0;
    this.#timelock = create(ReachoutTimelockSchema, {
      isActive: isActive === true && !(hasEnd && endMs <= this.#parts.clock.wallMs()),
      ...(hasEnd && { timeEnforcementEnds: timestampFromMs(endMs) }),
      enforcementType: enforcementType ?? "",
    });
    if (!this.#timelock.isActive) this.#refused.clear();
    this.#awaitEnd(this.#timelock);
    return this.#timelock;
  }

  /** Asks WhatsApp again once a lock has run out, of which it does not always tell. */
  #awaitEnd(lock: ReachoutTimelock): void {
    const { clock, signal } = this.#parts;
    this.#cancelEnd();
    const endMs = lockEndMs(lock, clock.wallMs());
    if (endMs === undefined || !Number.isFinite(endMs) || signal.aborted) return;
    this.#cancelEnd = clock.schedule(endMs - clock.wallMs() + 1, () => {
      this.timelock().catch(() => this.heardTimelock({ isActive: false }));
    });
  }

  #takeCapping(info: NewChatMessageCapInfo): MessageCapping {
    this.#capping = create(MessageCappingSchema, {
      cappingStatus: info.capping_status ?? "",
      totalQuota: wholeNumber(info.total_quota),
      usedQuota: wholeNumber(info.used_quota),
      ...timeOf("cycleStart", info.cycle_start_timestamp),
      ...timeOf("cycleEnd", info.cycle_end_timestamp),
      mvStatus: info.mv_status ?? "",
      oteStatus: info.ote_status ?? "",
    });
    return this.#capping;
  }

  isNewChat(chatId: string): Promise<boolean> {
    return this.#parts.connected(async (connection) => {
      if (!isPerson(chatId)) return false;
      const { people, me } = connection;
      const other = await people.otherOf(chatId);
      const ids = other === undefined ? [chatId] : [chatId, other];
      if (ids.includes(me.id) || this.#parts.recent.hasFrom(ids)) return false;
      if (ids.some((id) => this.#refused.has(id))) return true;
      return !(await hasHeardFrom(ids, connection));
    });
  }
}

/**
 * Returns true if the login holds a token of one of these ids, which WhatsApp gives out for chats that exist, or a Signal session that
 * the other side has answered: libsignal forgets the `pendingPreKey` of a session once a message of the other side comes.
 */
async function hasHeardFrom(ids: readonly string[], { socket }: Connection): Promise<boolean> {
  const { authState, signalRepository } = socket;
  const jids = ids.map(jidOf);
  const tokens = await authState.keys.get("tctoken", jids);
  if (jids.some((jid) => (tokens[jid]?.token.length ?? 0) > 0)) return true;
  // Baileys stores the session of a person whose LID is known under the LID.
  const lid = jids.find(isLid);
  const address = signalRepository.jidToSignalProtocolAddress(lid ?? jids[0] ?? "");
  const stored = (await authState.keys.get("session", [address]))[address];
  return stored !== undefined && isAnswered(stored);
}

/** Reads a serialized SessionRecord of libsignal (session_record.js). */
function isAnswered(record: unknown): boolean {
  const sessions: unknown =
    typeof record === "object" && record !== null ? Reflect.get(record, "_sessions") : undefined;
  if (typeof sessions !== "object" || sessions === null) return false;
  return Object.values(sessions).some(
    (one: unknown) => typeof one === "object" && one !== null && !("pendingPreKey" in one),
  );
}

const wholeNumber = (value: unknown): number => {
  const number = Number(value ?? 0);
  return Number.isSafeInteger(number) ? Math.max(-1, Math.min(number, 2 ** 31 - 1)) : 0;
};

/** Reads a time in seconds, which WhatsApp writes as text; "0" and "-1" stand for none. */
function timeOf<Name extends string>(name: Name, seconds: unknown) {
  const ms = Number(seconds ?? 0) * 1_000;
  return Number.isSafeInteger(ms) && ms > 0 ? { [name]: timestampFromMs(ms) } : {};
}
