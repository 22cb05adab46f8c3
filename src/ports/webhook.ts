import type { AttemptOutcome } from "../domain/delivery.ts";

/** One webhook attempt, ready to be sent as it is. */
export interface WebhookRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly timeoutMs: number;
  /** The server's own owner says where it goes: no destination is refused. */
  readonly trusted?: boolean;
}

/** Posts webhooks. */
export interface WebhookSender {
  /** Posts once, follows no redirect, never rejects. */
  post(request: WebhookRequest, signal: AbortSignal): Promise<AttemptOutcome>;
  /** Closes all connections; what is still in flight fails. Idempotent. */
  close(): Promise<void>;
}

/** Computes the codes that webhooks are signed with. */
export interface Signer {
  /** HMAC (RFC 2104) of `data`, part after part; texts stand for their UTF-8 bytes. */
  hmac(
    algorithm: "sha256" | "sha512",
    key: string | Uint8Array,
    data: readonly (string | Uint8Array)[],
    encoding: "hex" | "base64",
  ): string;
}
