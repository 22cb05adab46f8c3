import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { linkIn, previewOf } from "../../src/domain/link-preview.ts";

describe("the link in a text", () => {
  for (const [text, link] of [
    ["see https://example.com/a?b=c#d", "https://example.com/a?b=c#d"],
    ["HTTP://EXAMPLE.com: look", "HTTP://EXAMPLE.com"],
    ["(https://example.com/a).", "https://example.com/a"],
    ["https://a.example/ and https://b.example/", "https://a.example/"],
    ["https://example.com/straße, danke!", "https://example.com/straße"],
    ["no link: example.com, ftp://example.com, https://", undefined],
    ["https://user:secret@example.com/", undefined],
    ["", undefined],
  ] as const) {
    it(`of "${text}" is ${link ?? "none"}`, () => assert.equal(linkIn(text), link));
  }
});

describe("the preview of a page", () => {
  const url = "https://example.com/";
  const long = "x".repeat(1_000);
  for (const [name, page, title, description] of [
    ["has its title", "<html><head><title> A\n page </title>", "A page", ""],
    ["has its description", '<title>A</title><meta name="description" content="about A">', "A", "about A"],
    [
      "prefers the Open Graph protocol",
      `<title>A</title><meta name=description content=a><META Content='B &amp; C' Property='og:title'>` +
        `<meta property="og:description" content="b">`,
      "B & C",
      "b",
    ],
    [
      "reads references",
      "<title>&lt;b&gt; &#8364; &#x1F600; &unknown; &#99999999;</title>",
      "<b> € 😀 &unknown; &#99999999;",
      "",
    ],
    ["leaves out control characters", "<title>a\u0000\u202eb</title>", "a b", ""],
    [
      "is cut",
      `<title>${long}</title><meta name="description" content="${long}">`,
      `${"x".repeat(199)}…`,
      `${"x".repeat(399)}…`,
    ],
    ["takes the first title", "<title>A</title><svg><title>B</title></svg>", "A", ""],
    ["takes no empty title", '<meta property="og:title" content=" "><title>A</title>', "A", ""],
  ] as const) {
    it(name, () => assert.deepEqual(previewOf(url, page), { url, title, description }));
  }

  for (const page of [
    "",
    "<title>",
    "<title></title>",
    '{"title": "A"}',
    "<meta content=x>",
    `<meta ${"<meta ".repeat(20_000)}`,
  ]) {
    it(`is none for ${page.slice(0, 20) || "nothing"}`, () => assert.equal(previewOf(url, page), undefined));
  }
});
