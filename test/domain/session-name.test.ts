import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sessionNameViolations } from "../../src/domain/session-name.ts";

describe("a session's name", () => {
  it("accepts 1 to 54 characters of A-Z a-z 0-9 _ - and dot", () => {
    for (const name of [
      "default",
      "a",
      "A.b-c_9",
      "...",
      "-",
      "a".repeat(54),
      "starting",
      "constructor",
      "__proto__",
    ]) {
      assert.deepEqual(sessionNameViolations(name, "name"), [], name);
    }
  });

  it("refuses anything else and names the field", () => {
    const table = {
      "": "should not be empty",
      ".": 'must not be "." or ".."',
      "..": 'must not be "." or ".."',
      stop: "must not be one of start, stop, logout",
      Logout: "must not be one of start, stop, logout",
    };
    const characters = "must be 1 to 54 characters of A-Z a-z 0-9 _ - .";
    const wrong = ["a".repeat(55), "a b", "a/b", "../x", "ä", "a\n", "a\0", "%41", "a:b", "*"];
    const all = [...Object.entries(table), ...wrong.map((name) => [name, characters] as const)];
    for (const [name, description] of all) {
      assert.deepEqual(
        sessionNameViolations(name, "session"),
        [{ field: "session", description }],
        JSON.stringify(name),
      );
    }
  });
});
