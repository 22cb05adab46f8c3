import assert from "node:assert/strict";
import { it } from "node:test";
import { describeJsonSyntaxError, findJsonSyntaxError } from "../../../src/http/rest/json-syntax.ts";

const cases: [text: string, error: string][] = [
  ["", "expected a value at line 1, column 1 (position 0), but the text ends there"],
  ["{", "expected a property name in double quotes at line 1, column 2 (position 1), but the text ends there"],
  ["{a:1}", "expected a property name in double quotes at line 1, column 2 (position 1)"],
  ['{"a"}', 'expected ":" at line 1, column 5 (position 4)'],
  ['{"a":}', "expected a value at line 1, column 6 (position 5)"],
  ['{"a":1,}', "expected a property name in double quotes at line 1, column 8 (position 7)"],
  ['{"a":1 "b":2}', 'expected "," or "}" at line 1, column 8 (position 7)'],
  ["[1 2]", 'expected "," or "]" at line 1, column 4 (position 3)'],
  ["[1,]", "expected a value at line 1, column 4 (position 3)"],
  ['{"a":1}}', "expected the end at line 1, column 8 (position 7)"],
  ["{} x", "expected the end at line 1, column 4 (position 3)"],
  ['{\n  "a": tru\n}', "expected a value at line 2, column 8 (position 9)"],
  ['{"a":"x\n"}', "expected an escape instead of a control character at line 1, column 8 (position 7)"],
  ['{"a":"\\x"}', "expected a valid escape at line 1, column 7 (position 6)"],
  ['"\\u12g4"', "expected a valid escape at line 1, column 2 (position 1)"],
  ['{"a":"b', "expected the quote that ends the string at line 1, column 8 (position 7), but the text ends there"],
  ["[01]", 'expected "," or "]" at line 1, column 3 (position 2)'],
  ["[-]", "expected a value at line 1, column 2 (position 1)"],
];

for (const [text, expected] of cases) {
  it(`the error in ${JSON.stringify(text)} is located`, () => {
    assert.throws(() => JSON.parse(text));
    const error = findJsonSyntaxError(text);
    assert.equal(error && describeJsonSyntaxError(text, error), expected);
  });
}

it("a text has an error exactly if JSON.parse rejects it", () => {
  const seeds = ['{"a":[1,-2.5e3,"x\\u00e9\\n",true,null,{}],"b":{"c":[]}}', ' [ "\\\\" , {"":0} ] ', "[[[[]]]]"];
  const spice = ['"', "\\", "{", "}", "[", "]", ",", ":", "0", "e", "-", ".", "t", "\n", " ", "\u0001"];
  for (const seed of seeds) {
    for (let at = 0; at < seed.length; at += 1) {
      for (const char of spice) {
        for (const text of [seed.slice(0, at) + char + seed.slice(at), seed.slice(0, at) + char + seed.slice(at + 1)]) {
          let isJson = true;
          try {
            JSON.parse(text);
          } catch {
            isJson = false;
          }
          assert.equal(findJsonSyntaxError(text) === undefined, isJson, text);
        }
      }
    }
  }
});

it("a million brackets do not overflow the stack", () => {
  const text = "[".repeat(1_000_000);
  assert.equal(findJsonSyntaxError(text)?.offset, 1_000_000);
});
