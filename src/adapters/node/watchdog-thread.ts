/** The thread of `watchEventLoop`. It writes its lines itself, since whoever writes the others is what may be stuck. */
import { writeSync } from "node:fs";
import { Session } from "node:inspector";
import { workerData } from "node:worker_threads";
import { beatMs, currentSessionName, type WatchdogData } from "./watchdog.ts";

const data: WatchdogData = workerData;
const { beats, format, warnAfterMs, killAfterMs } = data;
const intervalMs = beatMs(data);
/** What runs on the main thread, asked there while it is paused. */
const whatRuns = `JSON.stringify({
  session: globalThis[Symbol.for("${currentSessionName}")]?.(),
  stack: globalThis.Error("running").stack,
})`;

let seen = -1;
let silentMs = 0;
let look: Session | undefined;

// Counted in ticks and not by the clock: a machine that slept has stopped this thread too.
setInterval(() => {
  const beat = Atomics.load(beats, 0);
  if (beat !== seen) {
    if (silentMs >= warnAfterMs) write("warn", { blockedMs: silentMs }, "the event loop turns again");
    [seen, silentMs] = [beat, 0];
    endLook();
    return;
  }
  silentMs += intervalMs;
  if (silentMs >= killAfterMs) {
    write("fatal", { blockedMs: silentMs }, "the event loop is blocked for good: the process ends itself");
    process.kill(process.pid, "SIGKILL");
  } else if (silentMs >= warnAfterMs && !look) lookAtMainThread();
}, intervalMs);

function lookAtMainThread(): void {
  const blockedMs = silentMs;
  const session = new Session();
  look = session;
  session.connectToMainThread();
  session.on("Debugger.paused", ({ params: { callFrames } }) => {
    const told = (running: object): void => {
      session.post("Debugger.resume");
      session.post("Debugger.disable");
      write("error", { blockedMs, ...running }, "the event loop is blocked");
    };
    // WebAssembly can be asked nothing; who has called it can.
    const ask = (frame: number): void => {
      const callFrameId = callFrames[frame]?.callFrameId;
      if (callFrameId === undefined) told({});
      else
        session.post("Debugger.evaluateOnCallFrame", { callFrameId, expression: whatRuns }, (error, answer) => {
          const text: unknown = error ? undefined : answer.result.value;
          if (typeof text === "string") told(JSON.parse(text));
          else ask(frame + 1);
        });
    };
    ask(0);
  });
  session.post("Debugger.enable");
  session.post("Debugger.pause");
}

function endLook(): void {
  look?.disconnect();
  look = undefined;
}

function write(level: "warn" | "error" | "fatal", fields: object, msg: string): void {
  const time = new Date().toISOString();
  const text = JSON.stringify({ level, time, ...fields, msg });
  const line =
    format === "JSON" ? text : `[${time.slice(11, -1)}] ${level.toUpperCase()}: ${msg} ${JSON.stringify(fields)}`;
  try {
    writeSync(1, `${line}\n`);
  } catch {
    // A full pipe that nobody reads; the process ends all the same.
  }
}
