import { type DestinationStream, type LevelWithSilent, type Logger as PinoLogger, pino, stdTimeFunctions } from "pino";
import { prettyFactory } from "pino-pretty";
import type { Logger } from "../../ports/system.ts";

/** What log lines look like (WAHA_LOG_FORMAT): for people, or for programs, one JSON object a line. */
export type LogFormat = "PRETTY" | "JSON";

/** How a logger is made. */
export interface LoggerOptions {
  /** Lines below it are not written, except by children with a level of their own. */
  readonly level: LevelWithSilent;
  readonly format: LogFormat;
  /** Takes each line as it is written; standard output if left out. */
  readonly destination?: DestinationStream;
}

/** A logger that has written its line when a call returns: a crash loses none. */
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

// The function, not pino-pretty's stream: a stream writes later, and may never do so in a process that dies.
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
