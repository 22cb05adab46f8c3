import { create } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { type PairingLink, PairingLinkSchema, type SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import { endsLinks, openLinks, requireRoomForLink } from "../domain/pairing-links.ts";
import type { Sessions } from "../ports/sessions.ts";
import type { MonotonicClock, Random } from "../ports/system.ts";
import type { SessionManager } from "./session-manager.ts";

/** Dependencies of pairing links. */
export interface PairingLinksOptions {
  readonly sessions: Pick<Sessions, "list" | "get">;
  readonly manager: () => Pick<SessionManager, "get" | "changeLinks">;
  readonly clock: MonotonicClock;
  readonly random: Pick<Random, "hex">;
  /** Returns the hash of a token, which is stored in its place. */
  readonly hash: (token: string) => string;
}

/** An open link, as its bearer uses it. */
export interface OpenLink {
  readonly session: string;
  readonly expiresAtMs: number;
  /** Number of callbacks of `onEnd`: one for each open stream. */
  readonly readers: number;
  /** Returns true if it has expired or was revoked. A link that is used up has not: its stream still tells how the pairing ended. */
  hasEnded(): boolean;
  /** Calls `callback` once when the link expires or is revoked. The function returned cancels it. */
  onEnd(callback: () => void): () => void;
}

const tokenBytes = 32;
const idBytes = 8;
const reloadIntervalMs = 1_000;

/** The pairing links of all sessions. They are stored in the sessions' records; the index by token is in memory. */
export class PairingLinks {
  readonly #options: PairingLinksOptions;
  readonly #byHash = new Map<string, IndexedLink>();
  readonly #bySession = new Map<string, readonly IndexedLink[]>();
  #reloading: Promise<void> | undefined;
  #reloadMs = 0;

  constructor(options: PairingLinksOptions) {
    this.#options = options;
  }

  /** Reads the links of all sessions. */
  async load(): Promise<void> {
    const { records } = await this.#options.sessions.list();
    for (const record of records) this.note(record);
  }

  /** A session's record was written. */
  note(record: SessionRecord): void {
    const known = this.#bySession.get(record.name) ?? [];
    if (known.length === 0 && record.pairingLinks.length === 0) return;
    const stored = new Set(record.pairingLinks.map(({ id }) => id));
    for (const link of known.filter(({ id }) => !stored.has(id))) {
      this.#byHash.delete(link.hash);
      if (!endsLinks(record)) link.end();
    }
    const links = record.pairingLinks.map(
      (link) => this.#byHash.get(link.tokenHash) ?? new IndexedLink(record.name, link, this.#options.clock),
    );
    for (const link of links) this.#byHash.set(link.hash, link);
    if (links.length > 0) this.#bySession.set(record.name, links);
    else this.#bySession.delete(record.name);
  }

  /** Creates a link that expires after `ttlMs`, and returns it with its token. Rejects if the session is paired or has too many. */
  async create(session: string, ttlMs: number): Promise<{ id: string; token: string; expiresAtMs: number }> {
    const { clock, random, hash, manager } = this.#options;
    const token = random.hex(tokenBytes);
    const id = random.hex(idBytes);
    const expiresAtMs = clock.nowMs() + ttlMs;
    const link = create(PairingLinkSchema, { id, tokenHash: hash(token), expiresAt: timestampFromMs(expiresAtMs) });
    await manager().changeLinks(session, (record) => {
      requireRoomForLink(record, clock.nowMs());
      return { type: "link_added", link };
    });
    return { id, token, expiresAtMs };
  }

  /** Returns the open links of a session, oldest first. */
  async list(session: string): Promise<readonly PairingLink[]> {
    const record = await this.#options.manager().get(session);
    return openLinks(record, this.#options.clock.nowMs());
  }

  /** Revokes a link. Idempotent. */
  async revoke(session: string, id: string): Promise<void> {
    await this.#options.manager().changeLinks(session, { type: "link_revoked", id });
  }

  /**
   * Reads the stored form of the link with this token, for a store to which other nodes write too. `find` and its callers then know of
   * links made or revoked at other nodes.
   */
  async refresh(token: string): Promise<void> {
    const link = this.#byHash.get(this.#options.hash(token));
    if (link === undefined) return this.#reload();
    const { record } = await this.#options.sessions.get(link.session);
    if (record) this.note(record);
    else this.#forget(link.session);
  }

  /** Reads the links of all sessions, at most once at a time and once a second: anybody can send a token that is unknown. */
  #reload(): Promise<void> {
    const nowMs = this.#options.clock.nowMs();
    if (this.#reloading === undefined || nowMs >= this.#reloadMs) {
      this.#reloadMs = nowMs + reloadIntervalMs;
      this.#reloading = this.load();
    }
    return this.#reloading;
  }

  #forget(session: string): void {
    for (const link of this.#bySession.get(session) ?? []) {
      this.#byHash.delete(link.hash);
      link.end();
    }
    this.#bySession.delete(session);
  }

  /** Returns the open link with this token. */
  find(token: string): OpenLink | undefined {
    const link = this.#byHash.get(this.#options.hash(token));
    return link?.hasEnded() ? undefined : link;
  }
}

class IndexedLink implements OpenLink {
  readonly session: string;
  readonly id: string;
  readonly hash: string;
  readonly expiresAtMs: number;
  readonly #clock: MonotonicClock;
  readonly #callbacks = new Set<() => void>();
  #isRevoked = false;

  constructor(session: string, { id, tokenHash, expiresAt }: PairingLink, clock: MonotonicClock) {
    this.session = session;
    this.id = id;
    this.hash = tokenHash;
    this.expiresAtMs = expiresAt ? timestampMs(expiresAt) : 0;
    this.#clock = clock;
  }

  get readers(): number {
    return this.#callbacks.size;
  }

  hasEnded(): boolean {
    return this.#isRevoked || this.#clock.nowMs() >= this.expiresAtMs;
  }

  onEnd(callback: () => void): () => void {
    const once = () => {
      cancel();
      callback();
    };
    const cancelTimer = this.#clock.schedule(Math.max(0, this.expiresAtMs - this.#clock.nowMs()), once);
    const cancel = () => {
      cancelTimer();
      this.#callbacks.delete(once);
    };
    this.#callbacks.add(once);
    return cancel;
  }

  /** Ends a link that was revoked. */
  end(): void {
    this.#isRevoked = true;
    for (const callback of this.#callbacks) callback();
  }
}
