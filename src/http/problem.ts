/** A request refused by the HTTP layer itself, with the status and the text for the client. */
export class HttpProblem extends Error {
  readonly status: number;
  /** One sentence, or one per violation. */
  readonly detail: string | readonly string[];
  /** True if the rest of the request is left unread, so that its connection cannot serve another request. */
  readonly closes: boolean;

  constructor(status: number, detail: string | readonly string[], options: { closes?: boolean } = {}) {
    super(typeof detail === "string" ? detail : detail.join("; "));
    this.name = "HttpProblem";
    this.status = status;
    this.detail = detail;
    this.closes = options.closes ?? false;
  }
}

/** The client has disconnected before its request was complete. It gets no answer. */
export class ClientGone extends Error {
  override readonly name = "ClientGone";
}
