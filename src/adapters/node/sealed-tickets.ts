import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import type { WallClock } from "../../ports/system.ts";
import type { Credential, Ticket, Tickets } from "../../ports/tickets.ts";

/** A moment in the life of a process. */
interface ProcessMoment {
  readonly process: string;
  readonly atMs: number;
}

/** The monotonic clocks of all nodes, so that a node whose time of day is wrong accepts tickets of others. */
interface NodeClocks {
  readonly process: string;
  nowMs(): number;
  /** Returns the time (ms) since a moment at a node; undefined if the node's clock is not known. */
  msSince(node: string, moment: ProcessMoment): number | undefined;
}

/** Options for tickets that all nodes of a cluster accept. */
export interface SealedTicketsOptions {
  readonly clock: WallClock;
  /** Secret of the cluster. */
  readonly secret: Uint8Array;
  /** Name of this node. */
  readonly self: string;
  readonly clocks: NodeClocks;
}

/** Content of a ticket. */
interface Content {
  readonly node: string;
  readonly moment: ProcessMoment;
  readonly credential: Credential;
}

/** As long as a ticket of one process. */
const lifetimeMs = 60_000;
const ivBytes = 12;
const tagBytes = 16;

/** Tickets that carry their credential, encrypted and authenticated, so that every node accepts them and none remembers them. */
export class SealedTickets implements Tickets {
  readonly #options: SealedTicketsOptions;
  readonly #key: Uint8Array;

  constructor(options: SealedTicketsOptions) {
    this.#options = options;
    this.#key = new Uint8Array(hkdfSync("sha256", options.secret, "", "sessiond tickets 1", 32));
  }

  issue(credential: Credential): Ticket {
    const { clock, clocks, self } = this.#options;
    const moment = { process: clocks.process, atMs: clocks.nowMs() };
    const content: Content = { node: self, moment, credential };
    return { ticket: this.#seal(JSON.stringify(content)), expiresAtMs: clock.wallMs() + lifetimeMs };
  }

  credentialOf(ticket: string): Credential | undefined {
    const text = this.#open(ticket);
    if (text === undefined) return undefined;
    // A node of the cluster has written it, so it is well-formed.
    const { node, moment, credential }: Content = JSON.parse(text);
    const ageMs = this.#options.clocks.msSince(node, moment);
    return ageMs !== undefined && ageMs < lifetimeMs ? credential : undefined;
  }

  #seal(text: string): string {
    const iv = randomBytes(ivBytes);
    const cipher = createCipheriv("aes-256-gcm", this.#key, iv);
    const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
    return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString("base64url");
  }

  #open(ticket: string): string | undefined {
    const bytes = Buffer.from(ticket, "base64url");
    if (bytes.byteLength <= ivBytes + tagBytes) return undefined;
    const decipher = createDecipheriv("aes-256-gcm", this.#key, bytes.subarray(0, ivBytes));
    decipher.setAuthTag(bytes.subarray(ivBytes, ivBytes + tagBytes));
    try {
      return decipher.update(bytes.subarray(ivBytes + tagBytes), undefined, "utf8") + decipher.final("utf8");
    } catch {
      return undefined;
    }
  }
}
