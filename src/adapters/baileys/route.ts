import type { ProxyConfig } from "../../../gen/sessiond/v1/session_pb.js";
import { AddressAttempts } from "./address-attempts.ts";
import type { SessionProxy } from "./proxy.ts";
import { ProxyRefusal } from "./proxy-refusal.ts";

/** The route of one engine to WhatsApp, direct or through its session's proxy. Describes why a connection failed. */
export class Route {
  readonly proxy: SessionProxy | undefined;
  readonly #attempts: AddressAttempts;

  /** `proxy`: left out for a direct route. */
  constructor(proxy?: SessionProxy) {
    this.proxy = proxy;
    this.#attempts = proxy?.attempts ?? new AddressAttempts();
  }

  /** Opens a route. The libraries for proxies are loaded with the first one. Rejects if the proxy's address is invalid. */
  static async open(config: ProxyConfig | undefined): Promise<Route> {
    if (!config) return new Route();
    const { openProxy } = await import("./proxy.ts");
    return new Route(openProxy(config));
  }

  /** Runs `open`, which opens the connection to WhatsApp. A direct connection must be opened before `open` returns. */
  connect<T>(open: () => T): T {
    return this.proxy ? open() : this.#attempts.during(open);
  }

  /** Describes a connection that failed with this error, in one sentence without secrets. */
  failure(error: unknown): string {
    return this.#sentence(error instanceof ProxyRefusal ? error.message : (this.#attempts.failure() ?? codeOf(error)));
  }

  /** Describes a connection that did not open in time, in one sentence without secrets. */
  timeout(): string {
    const addresses = this.#attempts.failure();
    // A single address is not worth naming.
    if (addresses?.includes(", ")) return this.#sentence(addresses);
    const waitsForProxy = this.proxy?.isAsked && this.#attempts.connected;
    return this.#sentence(waitsForProxy ? "the proxy did not answer in time" : "timed out");
  }

  /** Gives up connections that are not through. */
  close(): void {
    this.proxy?.close();
  }

  #sentence(cause: string | undefined): string {
    const peer = this.proxy ? `WhatsApp through the proxy ${this.proxy.name}` : "WhatsApp";
    return `Could not connect to ${peer}${cause ? `: ${cause}` : ""}`;
  }
}

/** Returns a code of errno or TLS. Other texts are left out, since they may contain secrets. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ("code" in error && typeof error.code === "string") return error.code;
  return error.message.includes("timed out") ? "timed out" : undefined;
}
