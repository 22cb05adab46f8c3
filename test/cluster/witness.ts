import type { Connection } from "../emulator/connection.ts";
import type { LinkedDevice } from "../emulator/device.ts";
import type { WhatsApp } from "../emulator/whatsapp.ts";

/** A stanza that a device sent, keepalives apart. Times are Unix times, ms. */
export interface SentStanza {
  readonly device: LinkedDevice;
  /** Name of the node that sent it. */
  readonly node: string;
  readonly tag: string;
  /** Between these two it arrived: this process may have been too busy to read it. */
  readonly afterMs: number;
  readonly atMs: number;
}

/** Interval at which this process notes that it can read, ms. */
const turnMs = 20;

/** A login of a device whose former connection was still open. */
export interface Conflict {
  readonly device: LinkedDevice;
  /** Name of the node of the former connection, and of the new one. */
  readonly from: string;
  readonly to: string;
  readonly atMs: number;
}

/** A time in which a device was not online. */
export interface Gap {
  readonly device: LinkedDevice;
  /** Name of the node that had it last. */
  readonly node: string;
  readonly startMs: number;
  readonly endMs: number;
}

/** What WhatsApp sees of the nodes. The query of the address tells which node a connection is from. */
export class Witness {
  readonly stanzas: SentStanza[] = [];
  readonly conflicts: Conflict[] = [];
  readonly gaps: Gap[] = [];
  readonly #offline = new Map<LinkedDevice, { node: string; startMs: number }>();
  readonly #connections = new Map<LinkedDevice, Connection>();
  readonly #closed = new WeakSet<Connection>();

  constructor(whatsapp: WhatsApp) {
    let [turnAtMs, afterMs] = [Date.now(), Date.now()];
    setInterval(() => {
      [afterMs, turnAtMs] = [turnAtMs, Date.now()];
    }, turnMs).unref();
    whatsapp.on("connection", (connection) => {
      connection.onStanza = ({ tag, attrs }) => {
        const { device } = connection;
        const isKeepalive = tag === "iq" && attrs.xmlns === "w:p";
        if (device && !isKeepalive)
          this.stanzas.push({ device, node: nodeOf(connection), tag, afterMs, atMs: Date.now() });
      };
    });
    whatsapp.on("login", (device) => {
      const former = this.#connections.get(device);
      const connection = whatsapp.connectionOf(device);
      this.#connections.set(device, connection);
      if (!former || this.#closed.has(former)) return;
      this.conflicts.push({ device, from: nodeOf(former), to: nodeOf(connection), atMs: Date.now() });
      this.#offline.set(device, { node: nodeOf(former), startMs: Date.now() });
    });
    whatsapp.on("active", (device) => {
      const offline = this.#offline.get(device);
      this.#offline.delete(device);
      if (offline) this.gaps.push({ device, ...offline, endMs: Date.now() });
    });
    whatsapp.on("closed", (connection) => {
      this.#closed.add(connection);
      const { device } = connection;
      if (!device || this.#connections.get(device) !== connection || this.#offline.has(device)) return;
      this.#offline.set(device, { node: nodeOf(connection), startMs: Date.now() });
    });
  }

  /** Forgets all that it has seen, apart from the present connections. */
  clear(): void {
    for (const list of [this.stanzas, this.conflicts, this.gaps]) list.length = 0;
  }
}

const nodeOf = ({ path }: Connection): string => new URLSearchParams(path.split("?")[1]).get("node") ?? "";
