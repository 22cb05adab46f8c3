import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { it } from "node:test";
import { silenceConsole } from "../../../src/adapters/baileys/console-silence.ts";

interface SessionRecord {
  closeSession(session: { indexInfo: { closed: number } }): void;
}

const require = createRequire(import.meta.resolve("@whiskeysockets/baileys"));
const libsignal: { SessionRecord: new () => SessionRecord } = require("libsignal");

it("drops libsignal's lines from the console, and no others", (t) => {
  const lines: unknown[][] = [];
  for (const method of ["log", "info", "warn", "error"] as const) {
    t.mock.method(console, method, (...args: unknown[]) => lines.push(args));
  }
  const remove = silenceConsole();
  assert.equal(silenceConsole()(), undefined);
  silenceConsole();

  const record = new libsignal.SessionRecord();
  const session = { indexInfo: { closed: -1 }, privateKey: "very private" };
  record.closeSession(session);
  record.closeSession(session);
  console.info("a session of libsignal", new (class SessionEntry {})());
  assert.deepEqual(lines, []);

  console.info("Closing session:", "of somebody else");
  assert.deepEqual(lines, [["Closing session:", "of somebody else"]]);

  remove();
  record.closeSession({ indexInfo: { closed: -1 } });
  assert.equal(lines.length, 2);
});
