/** Time, as the application sees it. Tests hand in one they move themselves. */
export interface Clock {
  /** Unix time in milliseconds. */
  nowMs(): number;
  /** Calls `callback` once after `delayMs`; the function returned cancels it and may be called at any time. */
  schedule(delayMs: number, callback: () => void): () => void;
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
