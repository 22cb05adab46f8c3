import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { LookupAddress } from "node:dns";
import { once } from "node:events";
import { createServer as createHttps } from "node:https";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { systemClock } from "../../../src/adapters/node/system.ts";
import { parseAllowList } from "../../../src/adapters/undici/address.ts";
import { createFileFetcher, type FileFetcherOptions } from "../../../src/adapters/undici/file-fetcher.ts";
import { createLinkPreviews, previewLimitMs } from "../../../src/adapters/undici/link-previews.ts";
import type { Resolve } from "../../../src/adapters/undici/ssrf-guard.ts";
import { FileUnavailable } from "../../../src/ports/media.ts";
import type { Clock } from "../../../src/ports/system.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { cert, key } from "../../support/localhost-certificate.ts";
import { literals, names, v4 } from "../../support/private-destinations.ts";

const maxBytes = 100_000;
const big = randomBytes(maxBytes);
const never = new AbortController().signal;

/** Answers of a server to a path, as it writes them. */
const answers: Readonly<Record<string, (socket: Socket) => void>> = {
  "/file": (socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
  "/unannounced": (socket) => socket.end("HTTP/1.1 200 OK\r\n\r\nhello"),
  "/big": (socket) =>
    socket.end(Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${maxBytes}\r\n\r\n`), big])),
  "/short": (socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"),
  "/long": (socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more than that"),
  "/long-later": (socket) => {
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
    setImmediate(() => socket.end("lo, and more than that"));
  },
  "/cut-chunks": (socket) => socket.end("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
  "/two-lengths": (socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
  "/announced-too-large": (socket) => socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${maxBytes + 1}\r\n\r\nhello`),
  "/endless": (socket) => {
    socket.write("HTTP/1.1 200 OK\r\n\r\n");
    const write = () => {
      while (!socket.destroyed && socket.write(Buffer.alloc(16_384)));
    };
    socket.on("drain", write);
    write();
  },
  "/zipped": (socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"),
  "/missing": (socket) => socket.end("HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello"),
  "/part": (socket) => socket.end("HTTP/1.1 206 Partial\r\nContent-Length: 5\r\n\r\nhello"),
  "/broken": (socket) => socket.end("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"),
  "/not-http": (socket) => socket.end("SSH-2.0-OpenSSH_9.6\r\n"),
  "/closed": (socket) => socket.destroy(),
  "/moved": (socket) => redirect(socket, "/file"),
  "/loop": (socket) => redirect(socket, "/loop"),
  "/to-a-file": (socket) => redirect(socket, "file:///etc/passwd"),
  "/to-data": (socket) => redirect(socket, "data:text/plain,hello"),
  "/page": (socket) => socket.end(`HTTP/1.1 200 OK\r\n\r\n<meta charset="utf-8"><title>Grüße</title>`),
  "/latin": (socket) =>
    socket.end(Buffer.from(`HTTP/1.1 200 OK\r\n\r\n<meta charset=iso-8859-1><title>Grüße</title>`, "latin1")),
  "/long-page": (socket) => {
    // Its end never comes.
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n<title>Long</title></head>`);
  },
  "/silent": () => {},
  "/dripping": (socket) => {
    socket.write("HTTP/1.1 200 OK\r\n\r\n");
    socket.write("drop");
  },
};

function redirect(socket: Socket, location: string): void {
  socket.end(`HTTP/1.1 302 Found\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`);
}

/** A server on loopback that counts what reaches it. */
const seen = { connections: 0, bytes: 0, paths: [] as string[] };
const sockets = new Set<Socket>();
const server = createServer((socket) => {
  seen.connections += 1;
  sockets.add(socket.on("error", () => {}).on("close", () => sockets.delete(socket)));
  socket.on("data", (bytes) => {
    seen.bytes += bytes.length;
  });
  socket.once("data", (bytes) => {
    const path = bytes.toString().split(" ")[1] ?? "";
    seen.paths.push(path);
    (answers[path] ?? (() => socket.destroy()))(socket);
  });
});
const secure = createHttps({ key, cert }, (_, response) => response.end("hello"));
let origin = "";
let port = 0;

before(async () => {
  server.listen(0, "127.0.0.1");
  secure.listen(0, "127.0.0.1");
  await Promise.all([once(server, "listening"), once(secure, "listening")]);
  port = (server.address() as AddressInfo).port;
  origin = `http://127.0.0.1:${port}`;
});
after(() => {
  for (const socket of sockets) socket.destroy();
  server.close();
  secure.close();
});

/** Fetches a URL to its end. */
async function fetchWith(options: Partial<FileFetcherOptions>, url: string, signal = never): Promise<Buffer> {
  const fetcher = createFileFetcher({ clock: systemClock, userAgent: "test", limitMs: 10_000, ...options });
  try {
    const parts = [];
    for await (const part of fetcher.fetch(url, maxBytes, signal)) parts.push(part);
    return Buffer.concat(parts);
  } finally {
    await fetcher.close();
  }
}

const fails = (message: RegExp) => (error: unknown) => error instanceof FileUnavailable && message.test(error.message);

describe("a fetcher of files", () => {
  for (const [path, content] of [
    ["/file", "hello"],
    ["/unannounced", "hello"],
    ["/moved", "hello"],
    ["/big", big],
  ] as const) {
    it(`returns the whole file of ${path}`, async () => {
      assert.deepEqual(await fetchWith({}, origin + path), Buffer.from(content));
    });
  }

  for (const [path, message] of [
    ["/short", /ended before the whole file arrived/],
    ["/long", /more than its Content-Length/],
    ["/long-later", /more than its Content-Length/],
    ["/cut-chunks", /ended before the whole file arrived/],
    ["/two-lengths", /could not be fetched/],
    ["/announced-too-large", /must not be larger than 100000 bytes/],
    ["/endless", /must not be larger than 100000 bytes/],
    ["/zipped", /compressed/],
    ["/missing", /answered 404/],
    ["/part", /answered 206/],
    ["/broken", /answered 500/],
    ["/not-http", /could not be fetched/],
    ["/closed", /could not be fetched/],
    ["/loop", /redirects more than 5 times/],
    ["/to-a-file", /redirects to an address that is not http or https/],
    ["/to-data", /redirects to an address that is not http or https/],
  ] as const) {
    it(`refuses the file of ${path}`, async () => {
      await assert.rejects(fetchWith({}, origin + path), fails(message));
    });
  }

  for (const url of [
    "",
    "file:///etc/passwd",
    "ftp://example.com/x",
    "data:,x",
    "//example.com/x",
    "http://",
    "x".repeat(9_000),
  ]) {
    it(`refuses the URL "${url.slice(0, 30)}"`, async () => {
      await assert.rejects(fetchWith({}, url), fails(/must be an http or https URL/));
    });
  }

  it("refuses a certificate that nobody has signed", async () => {
    const url = `https://127.0.0.1:${(secure.address() as AddressInfo).port}/`;
    await assert.rejects(fetchWith({}, url), fails(/TLS certificate not accepted/));
  });

  for (const path of ["/silent", "/dripping"]) {
    it(`gives ${path} up after 10 s without much content`, async () => {
      const clock = new FakeClock();
      const before = seen.paths.length;
      const fetched = assert.rejects(fetchWith({ clock, limitMs: 60_000 }, origin + path), fails(/did not arrive/));
      while (seen.paths.length === before) await new Promise(setImmediate);
      clock.advance(10_000);
      await fetched;
    });
  }

  it("ends with its caller", async () => {
    const caller = new AbortController();
    const before = seen.paths.length;
    const fetched = assert.rejects(fetchWith({}, `${origin}/silent`, caller.signal), /gone/);
    while (seen.paths.length === before) await new Promise(setImmediate);
    caller.abort(new Error("gone"));
    await fetched;
  });
});

describe("a guarded fetcher of files", () => {
  /** Names resolve to `known`, in turn. */
  const guardOf = (allow: readonly string[], known: Readonly<Record<string, LookupAddress[][]>> = {}) => {
    const left = new Map(Object.entries(known).map(([host, each]) => [host, [...each]]));
    const resolve: Resolve = (host, callback) => {
      const each = left.get(host) ?? [];
      const found = each.length > 1 ? each.shift() : each[0];
      callback(found ? null : Object.assign(new Error("no such name"), { code: "ENOTFOUND" }), found ?? []);
    };
    return { guard: { allow: parseAllowList(allow), resolve } };
  };

  it("connects to no private address, however the URL writes it", async () => {
    const known = Object.fromEntries(Object.entries(names).map(([name, found]) => [name, [found]]));
    const before = { ...seen };
    for (const host of [...literals, ...Object.keys(names)]) {
      for (const scheme of ["http", "https"]) {
        const url = `${scheme}://${host}:${port}/file`;
        await assert.rejects(fetchWith(guardOf([], known), url), FileUnavailable, url);
      }
    }
    for (const login of ["user:pass", "8.8.8.8"]) {
      await assert.rejects(fetchWith(guardOf([]), `http://${login}@127.0.0.1:${port}/file`), fails(/not allowed/));
    }
    assert.deepEqual([seen.connections, seen.bytes], [before.connections, before.bytes]);
  });

  it("follows no redirect to a private address, however it is written", async () => {
    let location = "";
    const redirecting = createServer((socket) =>
      socket.on("error", () => {}).once("data", () => redirect(socket, location)),
    );
    redirecting.listen(0, "127.0.0.1");
    await once(redirecting, "listening");
    const from = `http://outside.test:${(redirecting.address() as AddressInfo).port}/`;
    const known = {
      ...Object.fromEntries(Object.entries(names).map(([name, found]) => [name, [found]])),
      "outside.test": [[v4("127.0.0.1")]],
    };
    const before = seen.connections;
    for (const host of [...literals, ...Object.keys(names)]) {
      location = `http://${host}:${port}/file`;
      await assert.rejects(fetchWith(guardOf(["outside.test"], known), from), FileUnavailable, location);
    }
    redirecting.close();
    assert.equal(seen.connections, before);
  });

  it("uses the addresses that it has checked, though the name gets others meanwhile", async () => {
    const known = { "rebinding.test": [[v4("127.0.0.1")], [v4("127.0.0.1")]] };
    const before = seen.connections;
    await assert.rejects(fetchWith(guardOf([], known), `http://rebinding.test:${port}/file`), fails(/not allowed/));
    assert.equal(seen.connections, before);
  });

  it("fetches from addresses and names that the owner allows", async () => {
    const known = { "files.test": [[v4("127.0.0.1")]] };
    for (const [allow, url] of [
      ["127.0.0.1", `${origin}/file`],
      ["files.test", `http://files.test:${port}/moved`],
    ] as const) {
      assert.equal((await fetchWith(guardOf([allow], known), url)).toString(), "hello");
    }
  });
});

describe("the preview of a link", () => {
  /** Returns previews through a fetcher, which may reach these private addresses, and the titles that it finds. */
  const titlesWith = (allow: readonly string[], clock: Clock = systemClock) => {
    const guard = { allow: parseAllowList(allow) };
    const fetcher = createFileFetcher({ clock, userAgent: "test", limitMs: previewLimitMs, guard });
    const previews = createLinkPreviews({ clock, fetcher });
    return { fetcher, titleOf: async (text: string) => (await previews.of(text))?.title };
  };

  for (const [path, title] of [
    ["/page", "Grüße"],
    ["/latin", "Grüße"],
    ["/long-page", "Long"],
    ["/file", undefined],
    ["/missing", undefined],
    ["/endless", undefined],
    ["/loop", undefined],
    ["/closed", undefined],
  ] as const) {
    it(`of ${path} ${title === undefined ? "is none" : `has the title ${title}`}`, async () => {
      const { fetcher, titleOf } = titlesWith(["127.0.0.1"]);
      assert.equal(await titleOf(`look: ${origin}${path}.`), title);
      await fetcher.close();
    });
  }

  it("is none after 3 s, and the page is not asked again soon", async () => {
    const clock = new FakeClock();
    const { fetcher, titleOf } = titlesWith(["127.0.0.1"], clock);
    const before = seen.paths.length;
    const found = titleOf(`${origin}/silent`);
    while (seen.paths.length === before) await new Promise(setImmediate);
    clock.advance(previewLimitMs);
    assert.deepEqual([await found, await titleOf(`${origin}/silent`)], [undefined, undefined]);
    assert.equal(seen.paths.length - before, 1);
    await fetcher.close();
  });

  it("is none of a private address, which gets no connection", async () => {
    const { fetcher, titleOf } = titlesWith([]);
    const before = seen.connections;
    for (const host of literals) assert.equal(await titleOf(`http://${host}:${port}/page`), undefined, host);
    assert.equal(seen.connections, before);
    await fetcher.close();
  });
});
