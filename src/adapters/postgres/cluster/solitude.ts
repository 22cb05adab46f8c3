/**
 * Tells if this node's memory is the truth for all sessions: no other node lives, and what others have written has been read. A node that
 * joins waits until this one has noticed it.
 */
export class Solitude {
  readonly #catchUp: () => Promise<void>;
  #holds = false;
  #catching: object | undefined;

  /** `catchUp` reads what other nodes have written. */
  constructor(catchUp: () => Promise<void>) {
    this.#catchUp = catchUp;
  }

  /** True while this node is alone, and has known all sessions since. */
  get holds(): boolean {
    return this.#holds;
  }

  /** The nodes were read. */
  observe(hasOthers: boolean): void {
    if (hasOthers) this.end();
    else if (!this.#holds && !this.#catching) void this.#begin();
  }

  /** Other nodes may write from now on. */
  end(): void {
    this.#holds = false;
    this.#catching = undefined;
  }

  /** Never rejects: the next look tries again. */
  async #begin(): Promise<void> {
    const token = {};
    this.#catching = token;
    const isDone = await this.#catchUp().then(
      () => true,
      () => false,
    );
    if (this.#catching !== token) return;
    this.#catching = undefined;
    this.#holds = isDone;
  }
}
