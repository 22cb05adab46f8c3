import type { WebhookSender } from "../../ports/webhook.ts";
import type { WebhookSenderOptions } from "./webhook.ts";

/** Creates a sender that loads undici for its first request. If that fails, `post` rejects, and the next one tries again. */
export function createLazySender(options: WebhookSenderOptions): WebhookSender {
  let loading: Promise<WebhookSender> | undefined;
  const load = async (): Promise<WebhookSender> => {
    try {
      const { createWebhookSender } = await import("./webhook.ts");
      return createWebhookSender(options);
    } catch (error) {
      loading = undefined;
      throw error;
    }
  };
  return {
    async post(request, signal) {
      loading ??= load();
      return (await loading).post(request, signal);
    },
    close: async () => (await loading)?.close(),
  };
}
