import assert from "node:assert/strict";
import { it } from "node:test";
import { pictureForm } from "../../../src/http/rest/accept.ts";

const axios = "application/json, text/plain, */*";
const n8n = "application/json,text/html,application/xhtml+xml,application/xml,text/*;q=0.9, image/*;q=0.8, */*;q=0.7";
const chrome = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";
const java = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2";

const pictures: readonly (string | undefined)[] = [
  undefined,
  "",
  "*/*",
  "*",
  "*;q=0.1, application/json",
  "image/*",
  "image/png",
  "IMAGE/PNG",
  "text/html",
  axios,
  n8n,
  chrome,
  java,
  "image/png, application/json",
  "application/json, image/png",
  "image/png;q=0.5, application/json",
  "application/json, image/png;q=0.001",
  "application/json;q=0.5, image/png",
  "application/json;q=0.5, */*",
  "application/json;q=0, */*",
  "*/*;q=0.1, application/json;q=0.9",
  "application/json,image/*",
  "application/json;q=nonsense, image/*;q=0.1",
  "application/json, image/png;q=nonsense",
  "application/json, image/png;q=",
  "application/json, image/png;q=1.5",
  "application/json, image/png; Q=0.3",
  "application/json, image/*;q=0, image/png;q=0.1",
  "application/json;q=0",
  "application/json;q=0, image/png;q=0",
  'text/x;a="application/json,b", image/png',
  "garbage, ,;;, image/png, application/json",
];

const json: readonly string[] = [
  "application/json",
  "APPLICATION/JSON",
  "application/json; charset=utf-8",
  "application/json;q=0.1",
  "application/json;q=nonsense",
  "application/*",
  "application/json, text/plain",
  "application/json, text/*;q=0.9",
  "application/json, image/jpeg",
  "application/json, image/png;q=0",
  "application/json, image/png;q=0.000",
  "application/json, image/png;q=-1",
  "application/json, */*;q=0",
  "image/png;q=0, */*",
  "image/*;q=0, */*;q=0.5",
  'application/json;a="b,image/png"',
  "garbage, ,;;, application/json",
];

for (const accept of pictures) {
  it(`Accept ${accept ?? "left out"} selects the picture`, () => {
    assert.equal(pictureForm(accept, "image/png"), "picture");
  });
}

for (const accept of json) {
  it(`Accept ${accept} selects JSON`, () => {
    assert.equal(pictureForm(accept, "image/png"), "json");
  });
}
