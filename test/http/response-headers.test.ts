import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ResponseHeaders } from "../../src/http/response-headers.ts";

type Step = (headers: Headers) => unknown;

/** What calls do to the headers of their answer. */
const walks: Readonly<Record<string, readonly Step[]>> = {
  "no headers": [],
  "one header": [(h) => h.set("etag", '"3"')],
  "a header that is set again": [(h) => h.set("etag", '"3"'), (h) => h.set("etag", '"4"')],
  "a header that is set again by another case": [(h) => h.set("etag", '"3"'), (h) => h.set("ETag", '"4"')],
  "a name in capitals": [(h) => h.set("ETag", '"3"')],
  "two headers": [(h) => h.set("total-size", "3"), (h) => h.set("next-page-token", "abc")],
  "a value with spaces around it": [(h) => h.set("etag", "  a b  ")],
  "a value beyond ASCII": [(h) => h.set("etag", "caf\u00e9")],
  "an empty value": [(h) => h.set("etag", "")],
  "a value that no header can have": [(h) => h.set("etag", "a\r\nb: c")],
  "a name that no header can have": [(h) => h.set("e tag", "a")],
  "a header that is added to": [(h) => h.set("vary", "a"), (h) => h.append("vary", "b")],
  "a header that is deleted": [(h) => h.set("etag", "a"), (h) => h.delete("ETag")],
  "two cookies": [(h) => h.set("set-cookie", "a=1"), (h) => h.append("set-cookie", "b=2")],
  "one cookie": [(h) => h.set("set-cookie", "a=1")],
};

const attempt = (step: () => unknown): unknown => {
  try {
    return step();
  } catch (error) {
    return (error as Error).constructor.name;
  }
};

/** Returns all that can be read of headers. */
function readingsOf(headers: Headers) {
  const visited: [string, string][] = [];
  headers.forEach((value, name) => {
    visited.push([name, value]);
  });
  return {
    visited,
    etag: [headers.get("etag"), headers.get("ETag"), headers.has("Etag"), headers.has("vary"), headers.get("absent")],
    cookies: headers.getSetCookie(),
    entries: [[...headers], [...headers.entries()], [...headers.keys()], [...headers.values()]],
    copied: [...new Headers(headers)],
  };
}

describe("the headers of an answer are those of a Headers object after", () => {
  for (const [name, steps] of Object.entries(walks)) {
    it(name, () => {
      const [own, real] = [new ResponseHeaders(), new Headers()];
      for (const step of steps)
        assert.deepEqual(
          attempt(() => step(own)),
          attempt(() => step(real)),
        );
      // Reading may change the form in which they are kept.
      for (let time = 0; time < 2; time += 1) assert.deepEqual(readingsOf(own), readingsOf(real));
    });
  }
});
