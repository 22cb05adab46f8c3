/** Thread of `watchEventLoop`. It writes its own log lines, since the main thread may be blocked. */
import { writeSync } from "node:fs";
import { Session } from "node:inspector";
import { flushCompileCache } from "node:module";
import { workerData } from "node:worker_threads";
import { beatMs, currentSessionName, type WatchdogData } from "./watchdog.ts";

const data: WatchdogData = workerData;
const { beats, format, warnAfterMs, killAfterMs } = data;
const intervalMs = beatMs(data);
/** Expression for the running session and stack, evaluated on the paused main thread. */
const runningCode = `JSON.stringify({
  session: globalThis[Symbol.for("${currentSessionName}")]?.(),
  stack: globalThis.Error("running").stack,
})`;

// A thread that is terminated would not write it.
flushCompileCache();

let seen = -1;
let silentMs = 0;
let inspection: Session | undefined;

// Silence is counted in ticks, not by the clock, since a suspended machine stops this thread too.
setInterval(() => {
  const beat = Atomics.load(beats, 0);
  if (beat !== seen) {
    if (silentMs >= warnAfterMs) write("warn", { blockedMs: silentMs }, "the event loop turns again");
    [seen, silentMs] = [beat, 0];
    endInspection();
    return;
  }
  silentMs += intervalMs;
  if (silentMs >= killAfterMs) {
    write("fatal", { blockedMs: silentMs }, "the event loop is blocked for good: the process ends itself");
    process.kill(process.pid, "SIGKILL");
  } else if (silentMs >= warnAfterMs && !inspection) inspectMainThread();
}, intervalMs);

function inspectMainThread(): void {
  const blockedMs = silentMs;
  const session = new Session();
  inspection = session;
  session.connectToMainThread();
  session.on("Debugger.paused", ({ params: { callFrames } }) => {
    const report = (running: object): void => {
      session.post("Debugger.resume");
      session.post("Debugger.disable");
      write("error", { blockedMs, ...running }, "the event loop is blocked");
    };
    // A WebAssembly frame cannot evaluate expressions; one of its callers can.
    const evaluateAt = (frame: number): void => {
      const callFrameId = callFrames[frame]?.callFrameId;
      if (callFrameId === undefined) report({});
      else
        session.post("Debugger.evaluateOnCallFrame", { callFrameId, expression: runningCode }, (error, answer) => {
          const text: unknown = error ? undefined : answer.result.value;
          if (typeof text === "string") report(JSON.parse(text));
          else evaluateAt(frame + 1);
        });
    };
    evaluateAt(0);
  });
  session.post("Debugger.enable");
  session.post("Debugger.pause");
}

function endInspection(): void {
  inspection?.disconnect();
  inspection = undefined;
}

function write(level: "warn" | "error" | "fatal", fields: object, msg: string): void {
  const time = new Date().toISOString();
  const text = JSON.stringify({ level, time, ...fields, msg });
  const line =
    format === "JSON" ? text : `[${time.slice(11, -1)}] ${level.toUpperCase()}: ${msg} ${JSON.stringify(fields)}`;
  try {
    writeSync(1, `${line}\n`);
  } catch {
    // Standard output is a full pipe without a reader. The process ends anyway.
  }
}
