/** One webhook attempt, ready to be sent as it is. */
export interface WebhookRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly timeoutMs: number;
  /** The server's own owner says where it goes: no destination is refused. */
  readonly trusted?: boolean;
}

/**
 * What became of an attempt. `error` is one sentence that says nothing of the network inside; so is `note`, where a status does
 * not say by itself what to do.
 */
export type WebhookOutcome =
  | { type: "answered"; status: number; retryAfterMs?: number; note?: string }
  | { type: "failed"; error: string };

/** Posts webhooks. */
export interface WebhookSender {
  /** Posts once, follows no redirect, never rejects. */
  post(request: WebhookRequest, signal: AbortSignal): Promise<WebhookOutcome>;
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
