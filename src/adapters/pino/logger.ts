import { type DestinationStream, type LevelWithSilent, type Logger as PinoLogger, pino, stdTimeFunctions } from "pino";
import { prettyFactory } from "pino-pretty";
import type { Logger } from "../../ports/system.ts";

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

/** Creates a logger that writes synchronously, so that a crash loses no line. */
export function createLogger({
  level,
  format,
  destination = pino.destination({ fd: 1, sync: true }),
}: LoggerOptions): Logger {
  const options = {
    level,
    base: null,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return port(pino(options, destinations[format](destination)));
}

const destinations = {
  JSON: (destination) => destination,
  PRETTY: pretty,
} as const satisfies Record<LogFormat, (destination: DestinationStream) => DestinationStream>;

// pino-pretty's stream writes later, and loses lines if the process dies. Its formatting function is synchronous.
function pretty(destination: DestinationStream): DestinationStream {
  const format = prettyFactory({ colorize: process.stdout.isTTY === true, singleLine: true });
  return { write: (line) => destination.write(format(line)) };
}

const port = (logger: PinoLogger): Logger => ({
  debug: (fields, message) => logger.debug(fields, message),
  info: (fields, message) => logger.info(fields, message),
  warn: (fields, message) => logger.warn(fields, message),
  error: (fields, message) => logger.error(fields, message),
  child: (fields, level) => port(logger.child(fields, level === undefined ? {} : { level })),
});
