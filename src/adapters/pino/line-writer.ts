import type { DestinationStream } from "pino";

/** Lines that wait are written earlier when they have this length. */
const maxWaitingLength = 16_384;

/** Writes log lines in their order: at once, or together with others at the end of the event loop's turn. */
export class LineWriter {
  readonly #destination: DestinationStream;
  #waiting = "";
  #hasWaited = false;

  constructor(destination: DestinationStream) {
    this.#destination = destination;
  }

  /** Writes a line, after the ones that wait. */
  write(line: string): void {
    const text = this.#waiting + line;
    this.#waiting = "";
    this.#destination.write(text);
  }

  /** Writes a line at the end of the turn, or when the process exits. Only a process that is killed before loses it. */
  writeLater(line: string): void {
    if (!this.#hasWaited) process.once("exit", () => this.#flush());
    this.#hasWaited = true;
    if (this.#waiting === "") setImmediate(() => this.#flush());
    this.#waiting += line;
    if (this.#waiting.length >= maxWaitingLength) this.#flush();
  }

  #flush(): void {
    if (this.#waiting !== "") this.write("");
  }
}
