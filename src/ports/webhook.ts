/** One webhook attempt, ready to be sent as it is. */
export interface WebhookRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly timeoutMs: number;
}

/** What became of an attempt. `error` is one sentence that says nothing of the network inside. */
export type WebhookOutcome =
  | { type: "answered"; status: number; retryAfterMs?: number }
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
  /** HMAC (RFC 2104) of `data`. */
  hmac(algorithm: "sha256" | "sha512", key: Uint8Array, data: Uint8Array): Uint8Array;
}
