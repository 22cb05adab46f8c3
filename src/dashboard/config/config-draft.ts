import { fromJson, type JsonObject, type JsonValue, toJson } from "@bufbuild/protobuf";
import { type ReadonlySignal, signal } from "@preact/signals";
import { type SessionConfig, SessionConfigSchema } from "../../../gen/sessiond/v1/session_pb.js";
import type { FieldViolation } from "../api/errors.ts";
import { type JsonPath, withValue } from "./json-path.ts";

/** A configuration that is being edited, as JSON. */
export class ConfigDraft {
  readonly #json = signal<JsonObject>({});
  readonly #fault = signal("");
  readonly #loads = signal(0);
  /** Violations that the server reported, by paths such as "config.webhooks.0.url". */
  readonly violations = signal<readonly FieldViolation[]>([]);

  get json(): ReadonlySignal<JsonObject> {
    return this.#json;
  }

  /** Why the text that was typed is no configuration; "" if it is one. */
  get fault(): ReadonlySignal<string> {
    return this.#fault;
  }

  /** Changes when fields must show other values than those that were typed into them. */
  get loads(): ReadonlySignal<number> {
    return this.#loads;
  }

  /** Replaces the whole draft. */
  load(json: JsonObject, violations: readonly FieldViolation[] = []): void {
    this.#json.value = json;
    this.#fault.value = "";
    this.violations.value = violations;
    this.#loads.value += 1;
  }

  set(path: JsonPath, value: JsonValue | undefined): void {
    this.#json.value = withValue(this.#json.peek(), path, value);
  }

  /** Removes an item of a list. The fields of the items after it move up. */
  removeItem(path: JsonPath): void {
    this.load(withValue(this.#json.peek(), path, undefined));
  }

  /** Takes the draft from text. Until the text is a configuration, `fault` says why it is not. */
  setText(text: string): void {
    try {
      const config = fromJson(SessionConfigSchema, JSON.parse(text));
      this.#json.value = jsonOf(config);
      this.#fault.value = "";
    } catch (error) {
      this.#fault.value = error instanceof Error ? error.message : String(error);
    }
  }

  /** Returns the draft as a message. Throws if a value cannot be in one. */
  toConfig(): SessionConfig {
    return fromJson(SessionConfigSchema, this.#json.peek());
  }
}

/** Returns a configuration as JSON, with its fields in the order of the protos. */
export function jsonOf(config: SessionConfig | undefined): JsonObject {
  const json = config === undefined ? {} : toJson(SessionConfigSchema, config);
  return typeof json === "object" && json !== null && !Array.isArray(json) ? json : {};
}
