import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { describe, it } from "node:test";

const file = new URL("./blocked-process.ts", import.meta.url).pathname;

/** Starts the process. `lines` end with it. */
function blocked(format: string, forMs: number, killAfterMs: number) {
  const child: ChildProcess = spawn(process.execPath, [file, format, String(forMs), String(killAfterMs)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  assert.ok(child.stdout && child.stdin);
  return { child, stdin: child.stdin, exited: once(child, "exit"), lines: createInterface({ input: child.stdout }) };
}

describe("a blocked event loop", { concurrency: true }, () => {
  it("is logged with its session and stack, and again when it turns", async () => {
    const { lines, stdin, exited } = blocked("JSON", 5_000, 600_000);
    const told = [];
    for await (const line of lines) {
      told.push(JSON.parse(line));
      if (told.length === 2) stdin.end("stop\n");
    }
    const [held, again] = told;
    assert.deepEqual([held.level, held.msg, held.session], ["error", "the event loop is blocked", "alice"]);
    assert.match(held.stack, /spinInCallback/);
    assert.ok(held.blockedMs >= 1_000);
    assert.deepEqual([again.level, again.msg], ["warn", "the event loop turns again"]);
    assert.ok(again.blockedMs >= held.blockedMs);
    assert.deepEqual(await exited, [0, null]);
  });

  it("kills the process if it lasts", async () => {
    const { lines, exited } = blocked("PRETTY", 600_000, 3_000);
    const told: string[] = [];
    for await (const line of lines) told.push(line);
    assert.match(told[0] ?? "", /ERROR: the event loop is blocked .*alice.*spinInCallback/);
    assert.match(told[1] ?? "", /FATAL: .* ends itself/);
    assert.deepEqual(await exited, [null, "SIGKILL"]);
  });
});
