/** Where it is counted what webhooks come to. */
export interface WebhookMetrics {
  /** An attempt ended: the receiver took it, or not. */
  attempted(result: "success" | "failure", durationMs: number): void;
  /** A delivery came to its end. */
  settled(outcome: "delivered" | "failed"): void;
  /** A first attempt began so long after its event. */
  started(lagMs: number): void;
}

/** Where it is counted how calls end. */
export interface CallMetrics {
  /** An RPC ended with this code ("ok" or Connect's name); over REST too. */
  called(method: string, code: string, durationMs: number): void;
}
