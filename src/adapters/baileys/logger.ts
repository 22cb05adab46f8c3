import type { Logger } from "../../ports/system.ts";
import { shorten } from "../engine/error-fields.ts";

/** Baileys' `ILogger`. */
export interface BaileysLogger {
  level: string;
  child(fields: Record<string, unknown>): BaileysLogger;
  trace(fields: unknown, message?: string): void;
  debug(fields: unknown, message?: string): void;
  info(fields: unknown, message?: string): void;
  warn(fields: unknown, message?: string): void;
  error(fields: unknown, message?: string): void;
}

/**
 * Returns a logger that passes Baileys' lines on: errors as warnings, the rest for debugging. Drops trace lines, which hold whole
 * stanzas. Of the fields only plain values and errors' messages pass, since objects can hold keys and messages.
 */
export function baileysLogger(logger: Logger, debug: boolean): BaileysLogger {
  const write = (level: "debug" | "warn") => (fields: unknown, message?: string) => {
    if (level === "debug" && !debug) return;
    if (typeof fields === "string") logger[level]({}, shorten(fields));
    else logger[level](plainFields(fields), message ?? "");
  };
  return {
    level: debug ? "debug" : "warn",
    child: () => baileysLogger(logger, debug),
    trace: () => {},
    debug: write("debug"),
    info: write("debug"),
    warn: write("debug"),
    error: write("warn"),
  };
}

function plainFields(fields: unknown): Record<string, unknown> {
  const plain: Record<string, unknown> = {};
  if (typeof fields !== "object" || fields === null) return plain;
  for (const [name, value] of Object.entries(fields)) {
    if (value instanceof Error) plain[name] = shorten(value.message);
    else if (typeof value === "string" && name !== "node" && name !== "xml") plain[name] = shorten(value);
    else if (typeof value === "number" || typeof value === "boolean") plain[name] = value;
  }
  return plain;
}
