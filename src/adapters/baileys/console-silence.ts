/**
 * Console methods that libsignal prints whole sessions with, private keys included ("Closing session:", session_record.js). It has
 * no setting that turns this off.
 */
const methods = ["log", "info", "warn", "error"] as const;

let restore: (() => void) | undefined;

/** Drops libsignal's lines from the console of the whole process; other lines pass. Idempotent; the function returned undoes it. */
export function silenceConsole(): () => void {
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

/** Line of the caller in a stack: after Error, this function, isLibsignals and the replaced method. */
const callerLine = 4;

function calledByLibsignal(): boolean {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = callerLine;
  const { stack = "" } = new Error();
  Error.stackTraceLimit = before;
  return /[\\/]node_modules[\\/]libsignal[\\/]/.test(stack.split("\n")[callerLine] ?? "");
}
