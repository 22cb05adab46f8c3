import assert from "node:assert/strict";
import { test } from "node:test";
import { preferredType } from "../../src/http/accept.ts";

const png = "image/png";
const json = "application/json";

const cases: [accept: string | undefined, preferred: string][] = [
  [undefined, png],
  ["", png],
  ["*/*", png],
  ["image/*", png],
  ["image/png", png],
  ["text/html", png],
  ["application/json", json],
  ["APPLICATION/JSON", json],
  ["application/json; charset=utf-8", json],
  ["application/*", json],
  ["application/json, text/plain, */*", json],
  ["image/png, application/json", png],
  ["application/json, image/png", json],
  ["image/png;q=0.5, application/json", json],
  ["application/json;q=0.5, image/png", png],
  ["application/json;q=0.5, */*", png],
  ["application/json;q=0, */*", png],
  ["image/png;q=0, */*", json],
  ["*/*;q=0.8, application/json;q=0.9", json],
  ["application/json;q=nonsense, image/*;q=0.1", png],
  ['text/x;a="application/json,b", image/png', png],
  ["garbage, ,;;, application/json", json],
];

for (const [accept, preferred] of cases) {
  test(`Accept ${accept ?? "left out"} prefers ${preferred}`, () => {
    assert.equal(preferredType(accept, [png, json]), preferred);
  });
}
