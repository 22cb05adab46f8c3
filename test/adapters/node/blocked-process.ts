/** Process of `watchdog.test.ts` whose event loop is blocked for some milliseconds by code of the session "alice". */
import { sessionScope } from "../../../src/adapters/node/session-scope.ts";
import { watchEventLoop } from "../../../src/adapters/node/watchdog.ts";

const [, , format = "", forMs = "", killAfterMs = ""] = process.argv;
const unwatch = watchEventLoop({
  format: format === "JSON" ? "JSON" : "PRETTY",
  warnAfterMs: 1_000,
  killAfterMs: Number(killAfterMs),
});

function spinInCallback(): void {
  const endMs = performance.now() + Number(forMs);
  while (performance.now() < endMs);
  process.stdin
    .resume()
    .once("data", unwatch)
    .once("data", () => process.stdin.pause());
}

// By then the thread has seen the event loop turn.
setTimeout(() => sessionScope("alice", () => setTimeout(spinInCallback, 1)), 1_000);
