import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import type {
  Engine_Kind as Engine,
  Session_Health as Health,
  Me,
  Session_Remedy as Remedy,
  Session,
  Session_Status as Status,
  Session_StatusReason as StatusReason,
} from "../../../gen/sessiond/v1/session_pb.js";
import type { StatusStreamResponse } from "../../../gen/sessiond/v1/session_service_pb.js";

/** A session as the table shows it. A plain object, so that tabs can send it to each other. */
export interface SessionRow {
  readonly name: string;
  readonly status: Status;
  readonly reason: StatusReason;
  readonly message: string;
  readonly remedy: Remedy;
  readonly engine: Engine;
  /** Account that the session is or was paired with. */
  readonly account: { readonly id: string; readonly pushName: string } | undefined;
  /** Start of the current status, Unix ms. */
  readonly sinceMs: number | undefined;
  readonly attempt: number;
  readonly nextAttemptAtMs: number | undefined;
  readonly health: Health;
  readonly metadata: Readonly<Record<string, string>>;
  /** Number of endpoints whose last attempt failed; undefined if the source does not tell it. */
  readonly failingWebhooks: number | undefined;
  /** Position in the log that the row is up to date with. */
  readonly seq: bigint;
}

/** Returns the row of a listed session. */
export function rowOfSession(session: Session, seq: bigint): SessionRow {
  return {
    ...commonParts(session),
    engine: session.engine?.engine ?? 0,
    metadata: session.config?.metadata ?? {},
    failingWebhooks: session.failingWebhooks,
    seq,
  };
}

/** Returns the row that an item of the status stream tells. */
export function rowOfItem(item: StatusStreamResponse): SessionRow {
  return {
    ...commonParts(item),
    engine: item.engine,
    metadata: item.metadata,
    failingWebhooks: undefined,
    seq: item.seq,
  };
}

/** Fields with the same name in lists and in streams. */
interface CommonFields {
  readonly name: string;
  readonly status: Status;
  readonly statusReason: StatusReason;
  readonly statusMessage: string;
  readonly remedy: Remedy;
  readonly attempt: number;
  readonly health: Health;
  readonly account?: Me | undefined;
  readonly statusSince?: Timestamp | undefined;
  readonly nextAttemptAt?: Timestamp | undefined;
}

function commonParts(fields: CommonFields) {
  const { name, status, statusReason, statusMessage, remedy, attempt, health, account } = fields;
  return {
    name,
    status,
    reason: statusReason,
    message: statusMessage,
    remedy,
    attempt,
    health,
    account: account && { id: account.id, pushName: account.pushName },
    sinceMs: msOf(fields.statusSince),
    nextAttemptAtMs: msOf(fields.nextAttemptAt),
  };
}

const msOf = (time: Timestamp | undefined): number | undefined => time && timestampMs(time);

/** Returns the phone number of an account, such as "+15551234567"; undefined for an account without one. */
export function phoneOf(row: Pick<SessionRow, "account">): string | undefined {
  const digits = /^(\d+)@c\.us$/.exec(row.account?.id ?? "")?.[1];
  return digits && `+${digits}`;
}
