/** A request that http itself refuses: with which status, and what to tell the client. */
export class HttpProblem extends Error {
  readonly status: number;
  /** One sentence, or one for every violation. */
  readonly detail: string | readonly string[];
  /** The rest of the request will not be read: the connection cannot serve another. */
  readonly closes: boolean;

  constructor(status: number, detail: string | readonly string[], options: { closes?: boolean } = {}) {
    super(typeof detail === "string" ? detail : detail.join("; "));
    this.name = "HttpProblem";
    this.status = status;
    this.detail = detail;
    this.closes = options.closes ?? false;
  }
}

/** The client left before its request was complete: there is nobody to answer. */
export class ClientGone extends Error {
  override readonly name = "ClientGone";
}
