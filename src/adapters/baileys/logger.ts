import { inspect } from "node:util";
import type { Logger } from "../../ports/system.ts";

/** What Baileys logs with (its `ILogger`). */
export interface BaileysLogger {
  level: string;
  child(fields: Record<string, unknown>): BaileysLogger;
  trace(fields: unknown, message?: string): void;
  debug(fields: unknown, message?: string): void;
  info(fields: unknown, message?: string): void;
  warn(fields: unknown, message?: string): void;
  error(fields: unknown, message?: string): void;
}

const maxTextLength = 300;

/**
 * Baileys' lines in ours. Its errors are warnings here, the rest is for debugging; its trace, which holds whole stanzas, is
 * dropped. Of its fields only plain values and errors' messages pass: objects can hold keys and messages.
 */
export function baileysLogger(logger: Logger, debug: boolean): BaileysLogger {
  const write = (level: "debug" | "warn") => (fields: unknown, message?: string) => {
    if (level === "debug" && !debug) return;
    if (typeof fields === "string") logger[level]({}, shortened(fields));
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
    if (value instanceof Error) plain[name] = shortened(value.message);
    else if (typeof value === "string" && name !== "node" && name !== "xml") plain[name] = shortened(value);
    else if (typeof value === "number" || typeof value === "boolean") plain[name] = value;
  }
  return plain;
}

const shortened = (text: string) => (text.length > maxTextLength ? `${text.slice(0, maxTextLength)}…` : text);

/** An error as log fields: messages and stack, without the properties that libraries hang on it (a proxy's password, say). */
export function errorFields(error: unknown): { error: string; stack?: string; cause?: string } {
  if (!(error instanceof Error)) return { error: shortened(inspect(error, { depth: 0 })) };
  return {
    error: shortened(error.message),
    ...(error.stack !== undefined && { stack: error.stack }),
    ...(error.cause instanceof Error && { cause: shortened(error.cause.message) }),
  };
}
