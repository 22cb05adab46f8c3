import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { headersIn, mergeSchemas, parseComment, readRpcComment } from "../../../src/http/openapi/comment.ts";

const textOf = (leading: string) => parseComment(leading, "here").text;

describe("a comment of a proto file", () => {
  it("is one line of text per paragraph, with the names that JSON has and without what is for linters", () => {
    assert.equal(textOf(" One\n two.\n\n Three.\n"), "One two.\n\nThree.");
    assert.equal(
      textOf(" Why: `status_reason` of `x`.\n buf:lint:ignore ENUM because\n"),
      "Why: `statusReason` of `x`.",
    );
    assert.equal(textOf(""), "");
  });

  it("calls metadata a header, as REST does", () => {
    const text = textOf(" Plain. Metadata `if-match` says so. With metadata `x-a` too. Its metadata stays.");
    assert.equal(text, "Plain. Header `if-match` says so. With header `x-a` too. Its metadata stays.");
    assert.deepEqual(headersIn(text), [
      { name: "if-match", description: "Header `if-match` says so." },
      { name: "x-a", description: "With header `x-a` too." },
    ]);
  });

  it("adds keywords with @schema, over several lines and several times", () => {
    const comment = parseComment(' Text.\n @schema {\n   "maximum": 3\n }\n @schema {"minimum": 1}\n', "here");
    assert.deepEqual(comment, { text: "Text.", schema: { maximum: 3, minimum: 1 }, produces: [] });
  });

  it("names media types with @produces", () => {
    const { produces } = parseComment(
      ' Text.\n @produces image/png\n @produces application/json {"type": "object"}\n',
      "",
    );
    assert.deepEqual(produces, [
      { mediaType: "image/png", schema: undefined },
      { mediaType: "application/json", schema: { type: "object" } },
    ]);
  });

  it("is refused with the place it is at if a tag is not understood", () => {
    for (const tag of ["@schema", "@schema 1", "@schema {", "@schema [1]", "@produces", "@produces {}", "@other {}"]) {
      assert.throws(() => parseComment(` Text.\n ${tag}\n`, "field a.B.c"), /^Error: field a\.B\.c: not /, tag);
    }
  });
});

describe("the comment of an RPC", () => {
  it("is a summary, a description and its errors, wherever they stand", () => {
    assert.deepEqual(
      readRpcComment(
        "Gets `a`. NOT_FOUND \"No 'a'. Make one.\" if there is none. Idempotent. REVISION_CONFLICT on a change.",
      ),
      {
        summary: "Gets a",
        description: "Gets `a`. Idempotent.",
        errors: [
          { name: "NOT_FOUND", message: "No 'a'. Make one.", when: "If there is none." },
          { name: "REVISION_CONFLICT", message: undefined, when: "On a change." },
        ],
        isPublic: false,
      },
    );
  });

  it("has no description where one sentence says it all, and takes other words in capitals for what they are", () => {
    const { summary, description, errors } = readRpcComment('Waits while STARTING, e.g. for "a. B".');
    assert.deepEqual(
      { summary, description, errors },
      {
        summary: 'Waits while STARTING, e.g. for "a. B"',
        description: undefined,
        errors: [],
      },
    );
    assert.deepEqual(readRpcComment("Does. STARTING is waited for. UNKNOWN_REASON never.").errors, []);
  });

  it("says when no key is needed", () => {
    assert.equal(readRpcComment("Answers. Never needs a key.").isPublic, true);
  });
});

it("merged keywords keep what both say: objects go into each other, and required adds up", () => {
  assert.deepEqual(
    mergeSchemas(
      { type: "array", items: { type: "string" }, required: ["a", "b"] },
      { items: { enum: ["x"] }, required: ["b", "c"], type: "object" },
    ),
    { type: "object", items: { type: "string", enum: ["x"] }, required: ["a", "b", "c"] },
  );
});
