import type { AttemptOutcome } from "../domain/delivery.ts";

/** Request of one webhook attempt, complete with signatures. */
export interface WebhookRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly timeoutMs: number;
  /** True if the server's configuration sets the URL. No destination is then refused. */
  readonly trusted?: boolean;
}

/** Posts webhooks. */
export interface WebhookSender {
  /** Posts once and does not follow redirects. Never rejects: every failure is an outcome. */
  post(request: WebhookRequest, signal: AbortSignal): Promise<AttemptOutcome>;
  /** Closes all connections. Requests in flight fail. Idempotent. */
  close(): Promise<void>;
}

/** Computes the signatures of webhooks. */
export interface Signer {
  /** Returns the HMAC (RFC 2104) of the concatenated parts of `data`. Texts are encoded as UTF-8. */
  hmac(
    algorithm: "sha256" | "sha512",
    key: string | Uint8Array,
    data: readonly (string | Uint8Array)[],
    encoding: "hex" | "base64",
  ): string;
}
