import type { JsonObject } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type ReadonlySignal, signal } from "@preact/signals";
import { sessionClient } from "../api/clients.ts";
import { messageOf, violationsOf } from "../api/errors.ts";
import { ConfigDraft, jsonOf } from "./config-draft.ts";
import { changesBetween, type JsonChange } from "./json-path.ts";

/** A configuration as the server has it. */
interface Version {
  readonly json: JsonObject;
  readonly revision: number;
}

/** Changes by others since the draft was loaded. */
export interface Conflict {
  readonly theirs: Version;
  readonly changes: readonly JsonChange[];
}

/** "loading" and "failed" are about the first load. */
export type EditState = "loading" | "failed" | "ready";

/** Edits the configuration of one session. A save fails if the session has changed since the draft was loaded. */
export class ConfigEdit {
  readonly draft = new ConfigDraft();
  readonly #session: string;
  readonly #state = signal<EditState>("loading");
  readonly #fault = signal("");
  readonly #conflict = signal<Conflict | undefined>(undefined);
  readonly #base = signal<Version>({ json: {}, revision: 0 });

  constructor(session: string) {
    this.#session = session;
  }

  get state(): ReadonlySignal<EditState> {
    return this.#state;
  }

  get fault(): ReadonlySignal<string> {
    return this.#fault;
  }

  get conflict(): ReadonlySignal<Conflict | undefined> {
    return this.#conflict;
  }

  /** Returns true if the draft differs from what was loaded. */
  get isChanged(): boolean {
    return this.draft.fault.value !== "" || changesBetween(this.#base.value.json, this.draft.json.value).length > 0;
  }

  /** Loads the configuration, unless there is a draft already. */
  async open(): Promise<void> {
    if (this.#state.peek() === "ready" && this.isChanged) return;
    await this.reload();
  }

  /** Replaces the draft by the configuration that the server has now. */
  async reload(): Promise<void> {
    try {
      this.#take(await this.#fetch());
    } catch (error) {
      this.#fault.value = messageOf(error);
      if (this.#state.peek() !== "ready") this.#state.value = "failed";
    }
  }

  /** Saves the draft. Returns whether the server took it. */
  async save(): Promise<boolean> {
    this.#fault.value = "";
    this.draft.violations.value = [];
    const expectedRevision = this.#base.peek().revision;
    try {
      const config = this.draft.toConfig();
      const { session } = await sessionClient.updateSession({ session: this.#session, config, expectedRevision });
      this.#take({ json: jsonOf(session?.config), revision: session?.revision ?? 0 });
      return true;
    } catch (error) {
      await this.#explain(error);
      return false;
    }
  }

  /** Saves the draft in place of what others have made. */
  async overwrite(): Promise<boolean> {
    const conflict = this.#conflict.peek();
    if (conflict) this.#base.value = conflict.theirs;
    this.#conflict.value = undefined;
    return await this.save();
  }

  async #explain(error: unknown): Promise<void> {
    if (ConnectError.from(error).code === Code.Aborted) {
      const theirs = await this.#fetch().catch(() => undefined);
      if (theirs) this.#conflict.value = { theirs, changes: changesBetween(this.#base.peek().json, theirs.json) };
      else this.#fault.value = messageOf(error);
      return;
    }
    this.draft.violations.value = violationsOf(error);
    if (this.draft.violations.value.length === 0) this.#fault.value = messageOf(error);
  }

  async #fetch(): Promise<Version> {
    const { session } = await sessionClient.getSession({ session: this.#session });
    return { json: jsonOf(session?.config), revision: session?.revision ?? 0 };
  }

  #take(version: Version): void {
    this.#base.value = version;
    this.#conflict.value = undefined;
    this.#fault.value = "";
    this.#state.value = "ready";
    this.draft.load(version.json);
  }
}
