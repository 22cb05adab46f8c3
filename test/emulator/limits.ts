/** WhatsApp's limits on accounts that start many chats, as GraphQL answers and notifications (w:mex). */
import { randomBytes } from "node:crypto";
import type { Phone } from "./phone.ts";
import type { Query } from "./queries.ts";
import { type BinaryNode, child, QueryError, stanza, unixTime } from "./stanza.ts";

/** Lock on new chats. */
export interface Timelock {
  /** Unix time, s. */
  readonly endsAt: number;
  readonly type: string;
}

/** Quota of messages that start chats, in WhatsApp's own words. */
export type Capping = Readonly<Record<string, string | number>>;

/** The limits on one account. */
export class AccountLimits {
  timelock: Timelock | undefined;
  capping: Capping = { capping_status: "NONE", total_quota: -1, used_quota: 0 };

  /** Locks new chats, or unlocks them, and tells the account's devices. */
  lock(phone: Phone, timelock: Timelock | undefined): void {
    this.timelock = timelock;
    const data = { xwa2_notify_account_reachout_timelock: describe(timelock) };
    const update = stanza("update", { op_name: "NotificationUserReachoutTimelockUpdate" }, json({ data }));
    const id = randomBytes(8).toString("hex");
    const attributes = { type: "mex", from: "@s.whatsapp.net", id, t: unixTime() };
    for (const device of phone.devices) device.connection?.send(stanza("notification", attributes, [update]));
  }
}

/** Answers by the type of the query and its first child. */
export const limitAnswers: Readonly<Record<string, (query: Query) => BinaryNode[]>> = {
  "w:mex get query": ({ device, iq }) => {
    const { timelock, capping } = device.phone.limits;
    const answers: Readonly<Record<string, object>> = {
      "23983697327930364": { xwa2_fetch_account_reachout_timelock: describe(timelock) },
      "24503548349331633": { xwa2_message_capping_info: capping },
    };
    const data = answers[child(iq, "query")?.attrs.query_id ?? ""];
    if (!data) throw new QueryError(501, "feature-not-implemented");
    return [stanza("result", {}, json({ data }))];
  },
};

const describe = (timelock: Timelock | undefined) => ({
  is_active: timelock !== undefined,
  time_enforcement_ends: String(timelock?.endsAt ?? 0),
  enforcement_type: timelock?.type ?? "DEFAULT",
});

const json = (value: object) => Buffer.from(JSON.stringify(value));
