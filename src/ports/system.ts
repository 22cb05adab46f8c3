/**
 * Measures distances: waits, deadlines, ages. Setting the machine's time does not move it, and it never goes back, not even from one
 * process to the next on the same store.
 */
export interface MonotonicClock {
  /** Milliseconds on a time line of its own, which starts near Unix time. People and other machines are told WallClock's time. */
  nowMs(): number;
  /** Calls `callback` once after `delayMs`; the function returned cancels it and may be called at any time. */
  schedule(delayMs: number, callback: () => void): () => void;
}

/** The time of day, for people and other machines. */
export interface WallClock {
  /** Unix time in milliseconds. It can be set at any moment, so the difference of two readings is not a distance. */
  wallMs(): number;
}

/** Both clocks, and the way from one to the other. Tests hand in one they move themselves. */
export interface Clock extends MonotonicClock, WallClock {
  /** The Unix time (ms) that the wall clock shows, as it is set now, when the monotonic clock is at `atMs`. */
  wallMsAt(atMs: number): number;
  /** Moves the monotonic clock on to `atMs` unless it is there already. To be called before anything is measured: when the store is opened. */
  continueFrom(atMs: number): void;
}

/** Structured log lines. Fields must never hold secrets: keys, credentials, QR codes, header values. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** A logger that adds `fields` to each line, at its own level where one is given. */
  child(fields: object, level?: "debug"): Logger;
}

/** Everything that must not be guessed or repeated. */
export interface Random {
  /** A ULID for that time; later calls sort after earlier ones. */
  ulid(nowMs: number): string;
  /** `bytes` random bytes as lower-case hexadecimal digits. */
  hex(bytes: number): string;
  /** A number in [0, 1). */
  unit(): number;
}

/** Does `work` so that whatever comes of it later, callbacks and failures too, is known to be that session's. */
export type SessionScope = <T>(session: string, work: () => T) => T;
