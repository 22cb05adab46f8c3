/**
 * libsignal prints whole sessions, private keys included, with `console.info`, `warn` and `error` ("Closing session:",
 * session_record.js), and offers no way to turn that off. Its lines are dropped here; everybody else's pass.
 */
const methods = ["log", "info", "warn", "error"] as const;

let restore: (() => void) | undefined;

/** Keeps libsignal off the console, for the whole process. Idempotent; the function returned takes the guard away. */
export function installConsoleGuard(): () => void {
  restore ??= install();
  return () => {
    restore?.();
    restore = undefined;
  };
}

function install(): () => void {
  const originals = methods.map((method) => {
    const original = console[method];
    console[method] = (...args: unknown[]) => {
      if (!isLibsignals(args)) original.apply(console, args);
    };
    return [method, original] as const;
  });
  return () => {
    for (const [method, original] of originals) console[method] = original;
  };
}

const isLibsignals = (args: unknown[]) => args.some(isSession) || calledByLibsignal();

const isSession = (value: unknown) =>
  typeof value === "object" && value !== null && /^Session(Entry|Record)$/.test(value.constructor?.name ?? "");

/** Error, this function, isLibsignals and the guard itself come first; the frame after them is the caller's. */
const callerLine = 4;

function calledByLibsignal(): boolean {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = callerLine;
  const { stack = "" } = new Error();
  Error.stackTraceLimit = before;
  return /[\\/]node_modules[\\/]libsignal[\\/]/.test(stack.split("\n")[callerLine] ?? "");
}
