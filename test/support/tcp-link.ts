import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { resetSocket } from "./reset-socket.ts";

/** One way through a link: to the server, or back to the client. */
export type Direction = "forth" | "back";

/** A TCP proxy on a loopback port whose traffic a test can hold or cut. */
export interface TcpLink {
  readonly port: number;
  /** Number of connections open now. */
  readonly open: number;
  /** Number of connections accepted so far. */
  readonly accepted: number;
  /**
   * Keeps the bytes of one direction, or of both, until `pass`. Connections stay open, and new ones are accepted; those whose client has
   * given up by then lead nowhere.
   */
  hold(direction?: Direction): void;
  /** Lets bytes through again, those that were held first. */
  pass(): void;
  /** Closes all connections with a reset, and refuses new ones until `pass`. */
  cut(): void;
  /** Resets a connection after `bytes` more bytes in one direction, over all connections; the rest of that chunk is lost. Once. */
  cutAfter(bytes: number, direction: Direction): void;
  /** True from `cutAfter` until that has cut a connection. */
  readonly willCut: boolean;
  close(): Promise<void>;
}

/** Opens a link to a loopback port, which may change between connections. The caller closes it. */
export async function openLink(target: number | (() => number)): Promise<TcpLink> {
  const gates: Record<Direction, Gate> = { forth: new Gate(), back: new Gate() };
  const sockets = new Set<Socket>();
  let isCut = false;
  let accepted = 0;
  let limit: { left: number; readonly direction: Direction } | undefined;

  const add = (socket: Socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  };
  const forward = async (from: Socket, to: Socket, direction: Direction) => {
    try {
      for await (const chunk of from) {
        let bytes: Buffer = chunk;
        if (limit?.direction === direction) {
          limit.left -= bytes.length;
          if (limit.left < 0) {
            bytes = bytes.subarray(0, bytes.length + limit.left);
            limit = undefined;
            to.write(bytes, () => {
              resetSocket(from);
              resetSocket(to);
            });
            return;
          }
        }
        await gates[direction].passed();
        if (!to.write(bytes)) await Promise.race([once(to, "drain"), once(to, "close")]);
      }
      await gates[direction].passed();
      to.end();
    } catch {
      resetSocket(to);
    }
  };
  const server = createServer({ allowHalfOpen: true }, async (client) => {
    if (isCut) return resetSocket(client);
    accepted += 1;
    add(client);
    if (!(await isWanted(client, gates))) return client.destroy();
    const upstream = connect({
      port: typeof target === "number" ? target : target(),
      host: "127.0.0.1",
      allowHalfOpen: true,
    });
    add(upstream);
    upstream.on("connect", () => {
      // If nothing listens there, the system may have given the socket that very port, so that it talks to itself.
      if (upstream.localPort === upstream.remotePort) upstream.destroy();
    });
    client.on("close", () => upstream.destroy());
    upstream.on("close", () => client.destroy());
    void forward(client, upstream, "forth");
    void forward(upstream, client, "back");
    return undefined;
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const reset = () => {
    for (const socket of sockets) resetSocket(socket);
  };
  return {
    port,
    get open() {
      return sockets.size / 2;
    },
    get accepted() {
      return accepted;
    },
    get willCut() {
      return limit !== undefined;
    },
    hold(direction) {
      for (const one of direction ? [direction] : (["forth", "back"] as const)) gates[one].shut();
    },
    pass() {
      isCut = false;
      for (const gate of Object.values(gates)) gate.open();
    },
    cut() {
      isCut = true;
      reset();
    },
    cutAfter(bytes, direction) {
      limit = { left: bytes, direction };
    },
    async close() {
      isCut = true;
      reset();
      for (const gate of Object.values(gates)) gate.open();
      server.close();
      await once(server, "close");
    },
  };
}

/** Resolves once both gates are open, with false if the client has given up until then. What it has sent can be read. */
async function isWanted(client: Socket, gates: Record<Direction, Gate>): Promise<boolean> {
  if (!gates.forth.isShut && !gates.back.isShut) return true;
  const sent: Buffer[] = [];
  const take = (chunk: Buffer) => sent.push(chunk);
  let isWanted = true;
  const giveUp = () => {
    isWanted = false;
  };
  client.on("data", take).once("end", giveUp).once("close", giveUp);
  await Promise.all([gates.forth.passed(), gates.back.passed()]);
  client.pause().off("data", take).off("end", giveUp).off("close", giveUp);
  if (isWanted && sent.length > 0) client.unshift(Buffer.concat(sent));
  return isWanted;
}

/** Stops those that pass while it is shut. */
class Gate {
  #opened = Promise.resolve();
  #open: (() => void) | undefined;

  get isShut(): boolean {
    return this.#open !== undefined;
  }

  shut(): void {
    if (this.#open) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#opened = promise;
    this.#open = resolve;
  }

  open(): void {
    this.#open?.();
    this.#open = undefined;
  }

  passed(): Promise<void> {
    return this.#opened;
  }
}
