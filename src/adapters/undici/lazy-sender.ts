import type { WebhookSender } from "../../ports/webhook.ts";
import type { WebhookSenderOptions } from "./webhook.ts";

const loadUndici = () => import("./webhook.ts");

/** Creates a sender that loads undici for its first request. If that fails, so does the request, and the next one tries again. */
export function createLazySender(options: WebhookSenderOptions, load = loadUndici): WebhookSender {
  /** Resolves to undefined if the library cannot be loaded. */
  let loading: Promise<WebhookSender | undefined> | undefined;
  const open = async (): Promise<WebhookSender | undefined> => {
    try {
      const { createWebhookSender } = await load();
      return createWebhookSender(options);
    } catch {
      loading = undefined;
      return undefined;
    }
  };
  return {
    async post(request, signal) {
      loading ??= open();
      const sender = await loading;
      return sender ? sender.post(request, signal) : { type: "failed", error: "the HTTP client could not be loaded" };
    },
    close: async () => (await loading)?.close(),
  };
}
