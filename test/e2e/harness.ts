import { startWhatsApp } from "../emulator/whatsapp.ts";
import { RestClient } from "./rest-client.ts";
import { ServerProcess } from "./server-process.ts";
import { WebhookInbox } from "./webhook-inbox.ts";

/** Opens real parts for a walk: a server, a receiver of its webhooks, and an emulated WhatsApp. */
export async function openHarness(env: Record<string, string> = {}) {
  // If a part cannot be opened, the parts opened before are closed.
  await using stack = new AsyncDisposableStack();
  const whatsapp = await startWhatsApp();
  stack.defer(() => whatsapp.close());
  const hook = stack.use(await WebhookInbox.open());
  const server = stack.use(await ServerProcess.start({ SESSIOND_NOWEB_URL: whatsapp.url, ...env }));
  const rest = new RestClient(() => server.baseUrl, env.WAHA_API_KEY ? { "x-api-key": env.WAHA_API_KEY } : {});
  const config = { webhooks: [{ url: hook.url, events: ["session.status", "message", "message.any"] }] };
  const opened = stack.move();
  return { whatsapp, hook, server, rest, config, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}
