import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { type ReadonlySignal, signal } from "@preact/signals";
import {
  type QrStreamResponse_Outcome as Outcome,
  type QrCode,
  type QrStreamResponse,
  QrStreamResponse_Outcome_Result as Result,
} from "../../../gen/sessiond/v1/auth_service_pb.js";
import { serverNowMs } from "../api/server-clock.ts";
import { pause } from "../live/signals.ts";
import { withStreamSlot } from "../live/stream-slots.ts";
import { whileVisible } from "../live/visibility.ts";

/** State of a pairing as the page shows it. Only "code" has a code, and only while it is valid. */
export type PairingState =
  | { readonly kind: "waiting" | "crowded" | "hidden" | "expired" | "stopped" | "refused" | "lost" }
  | ShownCode
  | { readonly kind: "outcome"; readonly outcome: Outcome };

/** A code that a phone can scan now. */
export interface ShownCode {
  readonly kind: "code";
  /** URL of the picture, within this page only. */
  readonly picture: string;
  readonly serial: number;
  readonly total: number;
  readonly issuedAtMs: number;
  /** By the clock of `serverNowMs`. */
  readonly expiresAtMs: number;
}

/** Opens the stream of a session's codes. */
export type OpenQrStream = (signal: AbortSignal) => AsyncIterable<QrStreamResponse>;

/** Errors that no later attempt mends. */
const ends: ReadonlyMap<Code, "stopped" | "refused"> = new Map([
  [Code.NotFound, "stopped"],
  [Code.Unauthenticated, "refused"],
  [Code.PermissionDenied, "refused"],
]);

const retryMs = 1_000;
const reopenMs = 300;

/** Follows the codes of one session. Removes each one when it expires, when the page is hidden, and at the end. */
export class PairingFeed {
  readonly #open: OpenQrStream;
  readonly #state = signal<PairingState>({ kind: "waiting" });
  readonly #pairingCode = signal<string | undefined>(undefined);
  #expiry: ReturnType<typeof setTimeout> | undefined;

  constructor(open: OpenQrStream) {
    this.#open = open;
  }

  get state(): ReadonlySignal<PairingState> {
    return this.#state;
  }

  /** Code to type into the phone, after it was requested by anyone. */
  get pairingCode(): ReadonlySignal<string | undefined> {
    return this.#pairingCode;
  }

  /** Follows until the outcome, or until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const ended = new AbortController();
    try {
      await whileVisible(AbortSignal.any([signal, ended.signal]), async (visible) => {
        await withStreamSlot(
          visible,
          () => this.#show({ kind: "crowded" }),
          async (held) => {
            if (await this.#followUntilEnd(held)) ended.abort();
          },
        );
        if (!ended.signal.aborted) this.#show({ kind: "hidden" });
      });
    } finally {
      if (this.#state.peek().kind === "code") this.#show({ kind: "waiting" });
    }
  }

  /** Returns true after the outcome, false when the signal aborts. */
  async #followUntilEnd(signal: AbortSignal): Promise<boolean> {
    this.#show({ kind: "waiting" });
    while (!signal.aborted) {
      try {
        const outcome = await this.#readUntilOutcome(signal);
        if (outcome !== undefined && outcome.result !== Result.CANCELLED) {
          this.#show({ kind: "outcome", outcome });
          return true;
        }
        // The session was restarted, or stopped: the next stream tells.
        this.#show({ kind: "waiting" });
        await pause(reopenMs, signal);
      } catch (error) {
        if (signal.aborted) return false;
        const end = ends.get(ConnectError.from(error).code);
        if (end) {
          this.#show({ kind: end });
          return true;
        }
        // A code on the screen stays valid without the stream, until it expires.
        if (this.#state.peek().kind !== "code") this.#show({ kind: "lost" });
        await pause(retryMs, signal);
      }
    }
    return false;
  }

  async #readUntilOutcome(signal: AbortSignal): Promise<Outcome | undefined> {
    for await (const { item } of this.#open(signal)) {
      if (item.case === "qr") this.#showCode(item.value);
      else if (item.case === "pairingCode") this.#pairingCode.value = item.value;
      else if (item.case === "outcome") return item.value;
    }
    return undefined;
  }

  #showCode({ png, serial, remaining, issuedAt, expiresAt }: QrCode): void {
    const expiresAtMs = msOf(expiresAt);
    const leftMs = expiresAtMs - serverNowMs();
    if (leftMs <= 0) {
      this.#show({ kind: "expired" });
      return;
    }
    const picture = URL.createObjectURL(new Blob([new Uint8Array(png)], { type: "image/png" }));
    const total = serial + remaining;
    this.#show({ kind: "code", picture, serial, total, issuedAtMs: msOf(issuedAt), expiresAtMs });
    this.#expiry = setTimeout(() => this.#show({ kind: "expired" }), leftMs);
  }

  #show(state: PairingState): void {
    clearTimeout(this.#expiry);
    const before = this.#state.peek();
    if (before.kind === "code") URL.revokeObjectURL(before.picture);
    if (["outcome", "stopped", "refused", "hidden"].includes(state.kind)) this.#pairingCode.value = undefined;
    this.#state.value = state;
  }
}

const msOf = (time: Timestamp | undefined): number => (time ? timestampMs(time) : 0);
