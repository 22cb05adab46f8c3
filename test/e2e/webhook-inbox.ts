import type { IncomingHttpHeaders } from "node:http";
import { openReceiver, type WebhookReceiver } from "../support/webhook-receiver.ts";

/** A webhook as it arrived. */
export interface Webhook {
  readonly headers: IncomingHttpHeaders;
  readonly raw: Buffer;
  readonly body: WebhookBody;
}

/** The parts of a body that tests look at. */
export interface WebhookBody {
  readonly id: string;
  readonly event: string;
  readonly session: string;
  readonly me: { id: string; pushName: string } | null;
  readonly payload: { status?: string; statusReason?: string; body?: string; [key: string]: unknown };
  readonly [key: string]: unknown;
}

/** An endpoint that takes webhooks, keeps those it took, and answers what it is told to. */
export class WebhookInbox implements AsyncDisposable {
  readonly taken: Webhook[] = [];
  /** The status of the next answers; what is answered with an error is not taken. */
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

  /** The statuses a session has announced, in the order they came, each event once. */
  statuses(session: string): string[] {
    const events = this.taken.filter(({ body }) => body.session === session && body.event === "session.status");
    return [...new Map(events.map(({ body }) => [body.id, body.payload.status ?? ""])).values()];
  }

  /** Waits until `found` gives something. */
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
