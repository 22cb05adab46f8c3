import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { isIPv6, Socket, setDefaultAutoSelectFamilyAttemptTimeout } from "node:net";

/**
 * Time for one address of a name to connect before the next one is tried. Node's default of 250 ms is shorter than many round trips;
 * 5 s allow for two lost SYN packets and leave time for a second address.
 */
const attemptTimeoutMs = 5_000;

/** Sets that time for all connections of the process. */
export const allowSlowAddresses = (): void => setDefaultAutoSelectFamilyAttemptTimeout(attemptTimeoutMs);

/** Node publishes each new client socket here (nodejs.org/api/diagnostics_channel.html, net). */
const newSocketChannel = "net.client.socket";

/** Follows the sockets of one connection and records at which addresses they failed, and why. */
export class AddressAttempts {
  /** Errors by address. An address that is still being tried counts as timed out. */
  #failures = new Map<string, string>();
  #connected = false;

  /** Returns true if the last followed socket has connected. */
  get connected(): boolean {
    return this.#connected;
  }

  /** Follows a socket that is about to connect, instead of an earlier one. */
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

  /** Runs `connect` and follows the socket that it opens before it returns. For libraries that do not return their socket. */
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
   * Returns why no address could be connected to: "ECONNREFUSED", or for several "[2001:db8::1] ETIMEDOUT, 192.0.2.1 ECONNREFUSED".
   * Undefined if nothing was tried, or if one has connected.
   */
  failure(): string | undefined {
    const all = [...this.#failures];
    if (all.length < 2) return all[0]?.[1];
    return all.map(([address, code]) => `${isIPv6(address) ? `[${address}]` : address} ${code}`).join(", ");
  }
}
