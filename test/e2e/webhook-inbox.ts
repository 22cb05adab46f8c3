import type { IncomingHttpHeaders } from "node:http";
import { openReceiver, type WebhookReceiver } from "../support/webhook-receiver.ts";

/** A webhook as it arrived. */
export interface Webhook {
  readonly headers: IncomingHttpHeaders;
  readonly raw: Buffer;
  readonly body: WebhookBody;
}

/** Parts of a body that tests read. */
export interface WebhookBody {
  readonly id: string;
  readonly event: string;
  readonly session: string;
  readonly me: { id: string; pushName: string } | null;
  readonly payload: { status?: string; statusReason?: string; body?: string; [key: string]: unknown };
  readonly [key: string]: unknown;
}

/** Endpoint that accepts or refuses webhooks on a test's command and stores the accepted ones. */
export class WebhookInbox implements AsyncDisposable {
  readonly taken: Webhook[] = [];
  /** Status of the next answers. With an error status, the webhook is not accepted. */
  status = 200;
  readonly #receiver: WebhookReceiver;
  #changed = Promise.withResolvers<void>();

  private constructor(receiver: WebhookReceiver) {
    this.#receiver = receiver;
  }

  static async open(): Promise<WebhookInbox> {
    const inbox: WebhookInbox = new WebhookInbox(
      await openReceiver((response, { headers, body }) => {
        if (inbox.status < 300) inbox.taken.push({ headers, raw: body, body: JSON.parse(body.toString()) });
        response.writeHead(inbox.status).end();
        inbox.#changed.resolve();
        inbox.#changed = Promise.withResolvers();
      }),
    );
    return inbox;
  }

  get url(): string {
    return `${this.#receiver.origin}/hook`;
  }

  /** Returns the statuses that a session has announced, in order of arrival, each event once. */
  statuses(session: string): string[] {
    const events = this.taken.filter(({ body }) => body.session === session && body.event === "session.status");
    return [...new Map(events.map(({ body }) => [body.id, body.payload.status ?? ""])).values()];
  }

  /** Waits until `found` returns a value. */
  async until<T>(found: (taken: readonly Webhook[]) => T | undefined | false): Promise<T> {
    for (;;) {
      const result = found(this.taken);
      if (result !== undefined && result !== false) return result;
      await this.#changed.promise;
    }
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#receiver[Symbol.asyncDispose]();
  }
}
