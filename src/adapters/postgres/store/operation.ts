/** An event to be logged. Its seq is known once the group is written. */
export interface EventOperation {
  readonly type: "event";
  readonly session: string;
  readonly id: string;
  readonly wallMs: number;
  readonly value: Uint8Array;
  /** Ids of the endpoints that it goes to. */
  readonly endpoints: readonly string[];
  seq?: bigint;
  /** Its value as it is stored, once its group is encoded. */
  stored?: Uint8Array;
}

/** A delivery's place. */
interface DeliveryKey {
  readonly session: string;
  readonly seq: bigint;
  readonly endpoint: string;
}

/** One change within a group. A later one of the same row replaces an earlier one. */
export type Operation =
  | EventOperation
  /** The group may be written only if this node owns the session in this epoch. */
  | { readonly type: "lease"; readonly session: string; readonly epoch: bigint }
  /** The facts by which nodes decide who takes the session change. */
  | {
      readonly type: "need";
      readonly session: string;
      readonly needsOwner: boolean;
      readonly weight: number;
      readonly isBound: boolean;
    }
  /** The session's record, messages, events and settled deliveries go. Only at the beginning of a group. */
  | { readonly type: "remove"; readonly session: string }
  /** The engine data of an owner goes. Only at the beginning of a group. */
  | { readonly type: "wipe"; readonly session: string }
  | {
      readonly type: "record";
      readonly session: string;
      readonly value: Uint8Array;
      readonly creationKey: string | undefined;
    }
  | { readonly type: "messages"; readonly session: string; readonly value: Uint8Array }
  | { readonly type: "endpoint"; readonly session: string; readonly id: string; readonly value: Uint8Array | null }
  | {
      readonly type: "credentials" | "chats";
      readonly session: string;
      readonly key: string;
      readonly value: Uint8Array | null;
    }
  | { readonly type: "unlink"; readonly id: string; readonly value: Uint8Array | null }
  | {
      readonly type: "outgoing";
      readonly session: string;
      readonly place: bigint;
      readonly id: string;
      readonly keyHash: Uint8Array;
      readonly state: number;
      readonly isUnsent: boolean;
      readonly wallMs: number;
      readonly value: Uint8Array;
    }
  | { readonly type: "consumer"; readonly name: string; readonly cursor: bigint }
  /** A delivery is to be retried. */
  | (DeliveryKey & { readonly type: "retry"; readonly dueMs: number; readonly value: Uint8Array })
  /** A delivery is settled; null: it is not kept. */
  | (DeliveryKey & {
      readonly type: "settle";
      readonly isDelivered: boolean;
      readonly wallMs: number;
      readonly value: Uint8Array | null;
    })
  /** A settled delivery is due again. */
  | (DeliveryKey & {
      readonly type: "resend";
      readonly dueMs: number;
      readonly eventId: string;
      readonly event: Uint8Array;
      readonly value: Uint8Array;
    });
