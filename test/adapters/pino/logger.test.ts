import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { it } from "node:test";
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

it("lines reach standard output even if the process exits at once", () => {
  const module = new URL("../../../src/adapters/pino/logger.ts", import.meta.url).href;
  const script = `const { createLogger } = await import(${JSON.stringify(module)});
    createLogger({ format: "PRETTY", level: "info" }).info({}, "last words");
    process.kill(process.pid, "SIGKILL");`;
  let output = "";
  try {
    execFileSync(process.execPath, ["--input-type=module", "-e", script], { stdio: "pipe" });
  } catch (error) {
    output = String((error as { stdout: Buffer }).stdout);
  }
  assert.match(output, /last words/);
});
