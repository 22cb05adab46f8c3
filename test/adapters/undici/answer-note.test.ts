import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { explainStatus } from "../../../src/adapters/undici/answer-note.ts";

const from = "https://hooks.test/a/path?token=abc";
const anywhere = "redirects are not followed: configure the final address as the webhook's URL";
const sameHost =
  "redirects are not followed: configure the final address, another path of the same host, as the webhook's URL";
const at = (origin: string) =>
  `redirects are not followed: configure the final address, which is at ${origin}, as the webhook's URL`;

/** Locations with the expected notes. */
const locations: [string, string | string[] | undefined, string][] = [
  ["another host", "https://www.hooks.test/a/path", at("https://www.hooks.test")],
  ["another scheme", "http://hooks.test/a/path", at("http://hooks.test")],
  ["another port", "https://hooks.test:8443/", at("https://hooks.test:8443")],
  ["no scheme", "//other.test/x", at("https://other.test")],
  ["the same host", "/a/path/", sameHost],
  ["a relative path", "../b", sameHost],
  ["a login", "https://user:secret@other.test/", at("https://other.test")],
  ["secrets in path, query and fragment", "https://other.test/secret?token=secret#secret", at("https://other.test")],
  ["a host in capitals", "HTTPS://OTHER.TEST/", at("https://other.test")],
  ["a host in another script", "https://bücher.test/", at("https://xn--bcher-kva.test")],
  ["markup", "https://<script>.test/", anywhere],
  ["JavaScript", "javascript:alert(1)", anywhere],
  ["data", "data:text/html,hello", anywhere],
  ["a file", "file:///etc/passwd", anywhere],
  ["nonsense", "https://", anywhere],
  ["a very long host", `https://${"a".repeat(60)}.${"b".repeat(60)}.${"c".repeat(60)}.${"d".repeat(60)}/`, anywhere],
  ["control characters", "https://other.test/\u0001\u001b[31m", at("https://other.test")],
  ["two values", ["https://a.test/", "https://b.test/"], anywhere],
  ["nothing", undefined, anywhere],
  ["an empty value", "", sameHost],
];

describe("the note on a redirect", () => {
  for (const [name, location, expected] of locations) {
    it(`names at most the origin of a Location with ${name}`, () => {
      // Node's types do not declare that a repeated header is an array.
      assert.equal(explainStatus(302, Object.assign({}, { location }) as never, from), expected);
    });
  }

  for (const status of [200, 304, 400, 403, 410, 500, 502]) {
    it(`is left out for a ${status}`, () => {
      assert.equal(explainStatus(status, { location: "https://other.test/" }, from), undefined);
    });
  }
});
