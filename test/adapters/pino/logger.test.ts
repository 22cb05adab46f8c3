import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, it } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { createLogger, type LogFormat, type LoggerOptions } from "../../../src/adapters/pino/logger.ts";

function capture(format: LogFormat, level: LoggerOptions["level"]) {
  const lines: string[] = [];
  return { lines, logger: createLogger({ format, level, destination: { write: (line) => void lines.push(line) } }) };
}

it("a JSON logger writes one object per line, synchronously", () => {
  const { lines, logger } = capture("JSON", "info");
  logger.info({ session: "default", attempt: 2 }, "started");
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /\n$/);
  const { time, ...line } = JSON.parse(lines[0] ?? "");
  assert.deepEqual(line, { level: "info", session: "default", attempt: 2, msg: "started" });
  assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000);
});

it("a pretty logger writes readable lines, synchronously", () => {
  const { lines, logger } = capture("PRETTY", "info");
  logger.warn({ session: "default" }, "given up");
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /WARN.*: given up \{"session":"default"\}\n$/);
});

it("a logger leaves out lines below its level", () => {
  const { lines, logger } = capture("JSON", "warn");
  logger.debug({}, "a");
  logger.info({}, "b");
  logger.warn({}, "c");
  logger.error({}, "d");
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).msg),
    ["c", "d"],
  );
});

it("a silent logger writes nothing", () => {
  const { lines, logger } = capture("PRETTY", "silent");
  logger.error({}, "a");
  assert.deepEqual(lines, []);
});

it("a child logger adds its fields to each line", () => {
  const { lines, logger } = capture("JSON", "info");
  logger.child({ session: "a" }).child({ engine: "NOWEB" }).info({ x: 1 }, "opened");
  const { time: _, ...line } = JSON.parse(lines[0] ?? "");
  assert.deepEqual(line, { level: "info", session: "a", engine: "NOWEB", x: 1, msg: "opened" });
});

for (const format of ["JSON", "PRETTY"] as const) {
  it(`a child logger may have a lower level than its parent (${format})`, () => {
    const { lines, logger } = capture(format, "info");
    const child = logger.child({ session: "a" }, "debug");
    child.debug({}, "child");
    child.child({}).debug({}, "grandchild");
    logger.debug({}, "parent");
    logger.child({ session: "b" }).debug({}, "sibling");
    assert.equal(lines.length, 2);
    assert.match(lines.join(""), /child.*\n.*grandchild/);
  });
}

it("an error is logged with its message, stack and cause", () => {
  const { lines, logger } = capture("JSON", "info");
  logger.error({ err: new Error("outer", { cause: new Error("inner") }) }, "failed");
  const { err } = JSON.parse(lines[0] ?? "");
  assert.match(err.message, /outer/);
  assert.match(err.stack, /caused by: Error: inner/);
});

describe("the lines of calls", () => {
  for (const format of ["JSON", "PRETTY"] as const) {
    it(`are written together at the end of the turn (${format})`, async () => {
      const { lines, logger } = capture(format, "debug");
      for (const code of ["one", "two", "three"]) logger.calls.debug({ code }, "call");
      assert.deepEqual(lines, []);
      await nextTurn();
      assert.equal(lines.length, 1);
      assert.match(lines[0] ?? "", /one.*\n.*two.*\n.*three.*\n$/);
    });
  }

  it("come before a later line, which does not wait", () => {
    const { lines, logger } = capture("JSON", "debug");
    logger.calls.debug({}, "a");
    logger.info({}, "b");
    logger.calls.debug({}, "c");
    const written = lines.join("").trimEnd().split("\n");
    assert.deepEqual(
      written.map((line) => JSON.parse(line).msg),
      ["a", "b"],
    );
  });

  it("do not wait in any number", () => {
    const { lines, logger } = capture("JSON", "debug");
    for (let n = 0; n < 200; n += 1) logger.calls.debug({ n, padding: "x".repeat(100) }, "call");
    assert.ok(lines.length > 0);
  });

  it("are left out below the level", async () => {
    const { lines, logger } = capture("JSON", "info");
    logger.calls.debug({}, "call");
    await nextTurn();
    assert.deepEqual(lines, []);
  });

  it("reach standard output if the process exits, by itself or by an error", () => {
    for (const end of ["process.exit()", 'throw new Error("end")', ""]) {
      assert.match(outputOf(`logger.calls.debug({}, "last words"); ${end}`), /last words/, end);
    }
  });
});

it("lines reach standard output even if the process is killed at once", () => {
  const output = outputOf(`logger.info({}, "last words"); process.kill(process.pid, "SIGKILL");`);
  assert.match(output, /last words/);
});

/** Returns the standard output of a process that runs a script with a logger. */
function outputOf(script: string): string {
  const module = new URL("../../../src/adapters/pino/logger.ts", import.meta.url).href;
  const head = `const { createLogger } = await import(${JSON.stringify(module)});
    const logger = createLogger({ format: "PRETTY", level: "debug" });`;
  return spawnSync(process.execPath, ["--input-type=module", "-e", head + script], { encoding: "utf8" }).stdout;
}
