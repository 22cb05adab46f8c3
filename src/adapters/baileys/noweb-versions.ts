import { readFile, rename, writeFile } from "node:fs/promises";
import type { ClientVersions } from "../../ports/client-versions.ts";
import type { Clock, Logger } from "../../ports/system.ts";
import { errorFields } from "../engine/error-fields.ts";
import { builtInVersion, compareVersions } from "./client-version.ts";
import { lookUpVersion, type VersionSource, versionUrls } from "./version-lookup.ts";

/** Options for choosing NOWEB's client version. */
export interface VersionOptions {
  /** A version, or the place to look it up. Unset: Baileys' own, and a look-up at WhatsApp once that is refused. */
  readonly setting: string | undefined;
  /** Replaces the address of the place to look up. */
  readonly url?: string | undefined;
  /** True if versions are looked up when `setting` is unset. */
  readonly unasked: boolean;
  /** File with the version looked up last, for a start without a network. */
  readonly file: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The client version that engines present, and the remedy if WhatsApp refuses it. */
export interface NowebVersion extends ClientVersions {
  /** Advice for a user whose version is refused, as the end of a sentence. */
  readonly remedy: string;
}

/** Returns a choice that always is the version Baileys ships with. */
export const builtInOnly = (): NowebVersion => ({
  current: builtInVersion,
  remedy: "upgrade sessiond",
  refused: () => {},
  onChange: () => {},
});

/** A version is looked up again after this time. */
const freshMs = 3_600_000;
/** Delay of the first look-up, which would slow the start down: Node loads `fetch` on first use. */
const startDelayMs = 1_000;
/** First wait after a look-up that failed or brought no accepted version. Doubles up to `freshMs`. */
const firstRetryMs = 60_000;

const isSource = (setting: string | undefined): setting is VersionSource =>
  setting !== undefined && Object.hasOwn(versionUrls, setting);

/**
 * Chooses NOWEB's client version: the one that is set, or the newest known one that WhatsApp has not refused. Looks versions up in the
 * background: at the start and hourly if the setting says so, and when WhatsApp refuses the current version.
 */
export class NowebVersions implements NowebVersion {
  readonly #options: VersionOptions;
  readonly #source: VersionSource | undefined;
  /** The version that is set, else the built-in one. */
  readonly #own: string;
  readonly #listeners: ((version: string) => void)[] = [];
  readonly #refused = new Set<string>();
  readonly #closing = new AbortController();
  #lookedUp: string | undefined;
  #current: string;
  #retryMs = firstRetryMs;
  #isLookingUp = false;
  /** True if the last look-up is less than the shortest wait ago. */
  #hasJustLookedUp = false;
  #cancelNext = () => {};
  #cancelJust = () => {};

  /** Use `open`. */
  constructor(options: VersionOptions) {
    const { setting, unasked } = options;
    this.#options = options;
    this.#source = isSource(setting) ? setting : setting === undefined && unasked ? "auto-web" : undefined;
    this.#own = setting === undefined || isSource(setting) ? builtInVersion : setting;
    this.#current = this.#own;
  }

  /** Reads the version looked up last, and starts look-ups in the background if the setting says so. */
  static async open(options: VersionOptions): Promise<NowebVersions> {
    const versions = new NowebVersions(options);
    await versions.#start();
    return versions;
  }

  get current(): string {
    return this.#current;
  }

  get remedy(): string {
    const set = "set SESSIOND_NOWEB_VERSION to a newer one";
    if (isSource(this.#options.setting)) return `it is looked up again; until then, ${set}`;
    return `${set} or to auto-web${this.#options.setting === undefined ? ", or upgrade sessiond" : ""}`;
  }

  onChange(listener: (version: string) => void): void {
    this.#listeners.push(listener);
  }

  refused(version: string): void {
    const isNew = !this.#refused.has(version);
    this.#refused.add(version);
    if (version !== this.#current) return;
    if (isNew)
      this.#options.logger.error({ version }, `WhatsApp no longer accepts client version ${version}: ${this.remedy}`);
    if (this.#choose()) return;
    if (isNew || !this.#hasJustLookedUp) void this.#lookUp();
  }

  /** Ends look-ups under way. */
  close(): void {
    this.#closing.abort();
    this.#cancelNext();
    this.#cancelJust();
  }

  async #start(): Promise<void> {
    const { setting, logger } = this.#options;
    if (setting !== undefined && !isSource(setting) && compareVersions(setting, builtInVersion) < 0) {
      logger.warn(
        { set: setting, builtIn: builtInVersion },
        "the client version that is set is older than the one built in",
      );
    }
    if (this.#source === undefined) return;
    const stored = await this.#stored();
    this.#lookedUp = stored?.version;
    this.#choose();
    if (!isSource(setting)) return;
    const ageMs = stored === undefined ? freshMs : this.#options.clock.nowMs() - stored.atMs;
    this.#lookUpIn(ageMs >= 0 && ageMs < freshMs ? freshMs - ageMs : startDelayMs);
  }

  /** Makes the newest version that is not refused the current one. Returns whether it has changed. */
  #choose(): boolean {
    const known = [this.#own, ...(this.#lookedUp === undefined ? [] : [this.#lookedUp])];
    const best = known.sort(compareVersions).findLast((version) => !this.#refused.has(version));
    if (best === undefined || best === this.#current) return false;
    this.#current = best;
    this.#retryMs = firstRetryMs;
    this.#options.logger.info({ version: best }, "client version");
    for (const listener of this.#listeners) listener(best);
    return true;
  }

  #lookUpIn(delayMs: number): void {
    this.#cancelNext();
    this.#cancelNext = this.#options.clock.schedule(delayMs, () => void this.#lookUp());
  }

  /** Never rejects. */
  async #lookUp(): Promise<void> {
    const { url, clock, logger, setting } = this.#options;
    if (this.#source === undefined || this.#isLookingUp || this.#closing.signal.aborted) return;
    this.#isLookingUp = true;
    this.#cancelNext();
    let hasFailed = false;
    try {
      this.#lookedUp = await lookUpVersion(url ?? versionUrls[this.#source], this.#closing.signal);
      await this.#store(this.#lookedUp).catch((error) =>
        logger.warn(errorFields(error), "could not store a client version"),
      );
    } catch (error) {
      hasFailed = true;
      const fields = { version: this.#current, ...errorFields(error) };
      if (!this.#closing.signal.aborted) logger.warn(fields, "could not look up WhatsApp's client version");
    }
    this.#isLookingUp = false;
    if (this.#closing.signal.aborted) return;
    this.#hasJustLookedUp = true;
    this.#cancelJust();
    this.#cancelJust = clock.schedule(firstRetryMs, () => {
      this.#hasJustLookedUp = false;
    });
    this.#choose();
    if (hasFailed || this.#refused.has(this.#current)) {
      this.#lookUpIn(this.#retryMs);
      this.#retryMs = Math.min(this.#retryMs * 2, freshMs);
    } else if (isSource(setting)) this.#lookUpIn(freshMs);
  }

  /** Returns the version looked up last with the same setting; undefined if the file cannot be read. */
  async #stored(): Promise<{ readonly version: string; readonly atMs: number } | undefined> {
    try {
      const { setting, version, atMs } = JSON.parse(await readFile(this.#options.file, "utf8"));
      const isKnown = setting === this.#settingName && isVersion(version) && typeof atMs === "number";
      return isKnown ? { version, atMs } : undefined;
    } catch {
      return undefined;
    }
  }

  async #store(version: string): Promise<void> {
    const { file, clock } = this.#options;
    const text = JSON.stringify({ setting: this.#settingName, version, atMs: clock.nowMs() });
    await writeFile(`${file}.new`, `${text}\n`, { mode: 0o600 });
    await rename(`${file}.new`, file);
  }

  get #settingName(): string {
    return this.#options.setting ?? "unset";
  }
}

const isVersion = (value: unknown): value is string => typeof value === "string" && /^\d+\.\d+\.\d+$/.test(value);
