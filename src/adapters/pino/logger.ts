import { createRequire } from "node:module";
import { type DestinationStream, type LevelWithSilent, type Logger as PinoLogger, pino } from "pino";
import type { Logger } from "../../ports/system.ts";
import { LineWriter } from "./line-writer.ts";

/** Format of log lines (WAHA_LOG_FORMAT): readable text, or one JSON object per line. */
export type LogFormat = "PRETTY" | "JSON";

/** Options for a logger. */
export interface LoggerOptions {
  /** Lowest level written. Children may have a level of their own. */
  readonly level: LevelWithSilent;
  readonly format: LogFormat;
  /** Destination of lines. Default: standard output. */
  readonly destination?: DestinationStream;
}

/** A logger with a second one for the lines of calls. */
export interface ProcessLogger extends Logger {
  /** Writes its lines together at the end of the event loop's turn: there may be one for each of ten thousand calls a second. */
  readonly calls: Logger;
}

/** Creates a logger that writes synchronously, so that a crash loses no line. */
export function createLogger({
  level,
  format,
  destination = pino.destination({ fd: 1, sync: true }),
}: LoggerOptions): ProcessLogger {
  const options = {
    level,
    base: null,
    timestamp: createTimestamp(),
    formatters: { level: (label: string) => ({ level: label }) },
  };
  const formatted = formats[format]();
  const lines = new LineWriter(destination);
  return {
    ...port(pino(options, { write: (line) => lines.write(formatted(line)) })),
    calls: port(pino(options, { write: (line) => lines.writeLater(formatted(line)) })),
  };
}

type Format = (line: string) => string;

const formats: Readonly<Record<LogFormat, () => Format>> = {
  JSON: () => (line) => line,
  // pino-pretty's stream writes later, and loses lines if the process dies. Its formatting function is synchronous.
  PRETTY: () => loadPretty().prettyFactory({ colorize: process.stdout.isTTY === true, singleLine: true }),
};

/** Loads pino-pretty, which JSON lines do not need, with its 40 files. */
const loadPretty = (): typeof import("pino-pretty") => createRequire(import.meta.url)("pino-pretty");

/** Returns pino's function for times in ISO 8601. The text of a millisecond is made once for all its lines. */
function createTimestamp(): () => string {
  let lastMs = Number.NaN;
  let text = "";
  return () => {
    const nowMs = Date.now();
    if (nowMs !== lastMs) {
      lastMs = nowMs;
      text = `,"time":"${new Date(nowMs).toISOString()}"`;
    }
    return text;
  };
}

const port = (logger: PinoLogger): Logger => ({
  debug: (fields, message) => logger.debug(fields, message),
  info: (fields, message) => logger.info(fields, message),
  warn: (fields, message) => logger.warn(fields, message),
  error: (fields, message) => logger.error(fields, message),
  child: (fields, level) => port(logger.child(fields, level === undefined ? {} : { level })),
});
