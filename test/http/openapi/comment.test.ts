import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { commentText, summaryOf } from "../../../src/http/openapi/comment.ts";

describe("a comment of a proto file", () => {
  const cases: readonly (readonly [comment: string, text: string])[] = [
    [" One\n two.\n\n Three.\n", "One two.\n\nThree."],
    [" Why: `status_reason` of `x`.\n", "Why: `statusReason` of `x`."],
    [" `NOT_FOUND` and status_reason stay.", "`NOT_FOUND` and status_reason stay."],
    ["", ""],
  ];
  for (const [comment, text] of cases) {
    it(`${JSON.stringify(comment)} becomes ${JSON.stringify(text)}`, () => {
      assert.equal(commentText(comment), text);
    });
  }
});

describe("the summary of an RPC", () => {
  const cases: readonly (readonly [text: string, summary: string])[] = [
    ["Gets `a`. Idempotent.", "Gets a"],
    ['Waits while STARTING, e.g. for "a. B". Then ends.', 'Waits while STARTING, e.g. for "a. B"'],
    ["One sentence.", "One sentence"],
    ["", ""],
  ];
  for (const [text, summary] of cases) {
    it(`of ${JSON.stringify(text)} is ${JSON.stringify(summary)}`, () => {
      assert.equal(summaryOf(text), summary);
    });
  }
});
