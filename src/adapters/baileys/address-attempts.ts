import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { isIPv6, Socket, setDefaultAutoSelectFamilyAttemptTimeout } from "node:net";

/**
 * The time one address of a name has to connect before the next one is tried. Node's own 250 ms are shorter than many a round trip;
 * this is long enough for two lost SYN packets, and leaves time for a second address.
 */
const attemptTimeoutMs = 5_000;

/** Gives each address of a name that much time, in the whole process: messages, uploads, downloads, direct or to a proxy. */
export const allowSlowAddresses = (): void => setDefaultAutoSelectFamilyAttemptTimeout(attemptTimeoutMs);

/** Node publishes each new client socket here (nodejs.org/api/diagnostics_channel.html, net). */
const newSocketChannel = "net.client.socket";

/** Follows the sockets of one connection, to say at which addresses it failed and why. */
export class AddressAttempts {
  /** Errors by address; an address still being tried counts as timed out. */
  #failures = new Map<string, string>();
  #connected = false;

  /** Whether the socket followed last has been connected. */
  get connected(): boolean {
    return this.#connected;
  }

  /** Follows a socket that is about to connect, in place of an earlier one. */
  follow(socket: Socket): void {
    const failures = new Map<string, string>();
    this.#failures = failures;
    this.#connected = false;
    socket.on("connectionAttempt", (address) => failures.set(address, "ETIMEDOUT"));
    socket.on("connectionAttemptFailed", (address, _port, _family, error: NodeJS.ErrnoException) =>
      failures.set(address, error.code ?? "failed"),
    );
    socket.once("connect", () => {
      failures.clear();
      this.#connected ||= failures === this.#failures;
    });
  }

  /** Runs `connect` and follows the socket that it opens before it returns: for libraries that do not hand it out. */
  during<T>(connect: () => T): T {
    const follow = (message: unknown) => {
      const socket = typeof message === "object" && message !== null && "socket" in message && message.socket;
      if (socket instanceof Socket) this.follow(socket);
    };
    subscribe(newSocketChannel, follow);
    try {
      return connect();
    } finally {
      unsubscribe(newSocketChannel, follow);
    }
  }

  /**
   * Why no address could be connected to: "ECONNREFUSED", or for several "[2001:db8::1] ETIMEDOUT, 192.0.2.1 ECONNREFUSED".
   * Undefined if nothing was tried, or one has connected.
   */
  failure(): string | undefined {
    const all = [...this.#failures];
    if (all.length < 2) return all[0]?.[1];
    return all.map(([address, code]) => `${isIPv6(address) ? `[${address}]` : address} ${code}`).join(", ");
  }
}
