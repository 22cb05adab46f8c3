import type { ProxyConfig } from "../../../gen/sessiond/v1/session_pb.js";
import { AddressAttempts } from "./address-attempts.ts";
import { proxyOf, type SessionProxy } from "./proxy.ts";
import { ProxyRefusal } from "./proxy-refusal.ts";

/** The way of one engine to WhatsApp, direct or through its session's proxy; says why a connection on it did not come about. */
export class Route {
  readonly proxy: SessionProxy | undefined;
  readonly #attempts: AddressAttempts;

  /** Throws if the proxy's address is not one. */
  constructor(proxy: ProxyConfig | undefined) {
    this.proxy = proxy && proxyOf(proxy);
    this.#attempts = this.proxy?.attempts ?? new AddressAttempts();
  }

  /** Runs `open`, which opens the connection to WhatsApp before it returns; through a proxy it may open it later. */
  connect<T>(open: () => T): T {
    return this.proxy ? open() : this.#attempts.during(open);
  }

  /** One sentence without secrets on a connection that failed with this error. */
  failure(error: unknown): string {
    return this.#sentence(error instanceof ProxyRefusal ? error.message : (this.#attempts.failure() ?? codeOf(error)));
  }

  /** The same, for one that did not fail and did not come about in time. */
  timeout(): string {
    const addresses = this.#attempts.failure();
    // One address alone needs no name.
    if (addresses?.includes(", ")) return this.#sentence(addresses);
    const waitsForProxy = this.proxy?.isAsked && this.#attempts.connected;
    return this.#sentence(waitsForProxy ? "the proxy did not answer in time" : "timed out");
  }

  close(): void {
    this.proxy?.close();
  }

  #sentence(cause: string | undefined): string {
    const peer = this.proxy ? `WhatsApp through the proxy ${this.proxy.name}` : "WhatsApp";
    return `Could not connect to ${peer}${cause ? `: ${cause}` : ""}`;
  }
}

/** Codes of errno and TLS say enough; texts may hold anything. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ("code" in error && typeof error.code === "string") return error.code;
  return error.message.includes("timed out") ? "timed out" : undefined;
}
