import {
  WebhookDelivery_State as State,
  type WebhookAttempt,
  type WebhookDelivery,
} from "../../../gen/sessiond/v1/webhook_pb.js";
import { webhookClient } from "../api/clients.ts";
import { pause } from "../live/signals.ts";

const askEveryMs = 300;
const patienceMs = 15_000;

/** Waits for the next attempt of a delivery, for at most 15 s. Returns the delivery as it then is. */
export async function followDelivery(sent: WebhookDelivery, signal: AbortSignal): Promise<WebhookDelivery> {
  const givenUpAtMs = Date.now() + patienceMs;
  let current = sent;
  while (!signal.aborted && !isAttempted(current) && Date.now() < givenUpAtMs) {
    await pause(askEveryMs, signal);
    const { delivery } = await webhookClient.getDelivery({ session: sent.session, delivery: sent.id });
    if (delivery) current = delivery;
  }
  return current;
}

const isAttempted = ({ state, attemptCount }: WebhookDelivery): boolean =>
  state === State.DELIVERED || state === State.FAILED || attemptCount > 0;

/** Returns the outcome of a delivery's last attempt, such as "answered 200 in 12 ms". */
export function attemptText({ attempts, reason, state }: WebhookDelivery): string {
  const last = attempts.at(-1);
  if (state === State.FAILED && last === undefined) return reason;
  return last === undefined ? "not attempted yet" : answerText(last);
}

export function answerText({ status, error, latencyMs }: WebhookAttempt): string {
  if (status === 0) return error || "no answer";
  return `answered ${status} in ${latencyMs} ms${error && `: ${error}`}`;
}
