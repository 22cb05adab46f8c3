import assert from "node:assert/strict";
import type { LookupAddress } from "node:dns";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { parseAllowList } from "../../../src/adapters/undici/address.ts";
import type { Resolve } from "../../../src/adapters/undici/ssrf-guard.ts";
import { createWebhookSender } from "../../../src/adapters/undici/webhook.ts";
import type { AttemptOutcome } from "../../../src/domain/delivery.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { literals, names, v4, v6 } from "../../support/private-destinations.ts";
import { openReceiver } from "../../support/webhook-receiver.ts";

/** An internal server that must not be reached. It counts connections and bytes. */
const canary = createServer((socket: Socket) => {
  seen.connections += 1;
  socket.on("data", (chunk) => (seen.bytes += chunk.length)).on("error", () => {});
  sockets.add(socket);
});
const seen = { connections: 0, bytes: 0 };
const sockets = new Set<Socket>();
let port = 0;

before(async () => {
  canary.listen(0, "127.0.0.1");
  await once(canary, "listening");
  port = (canary.address() as AddressInfo).port;
});

after(() => {
  for (const socket of sockets) socket.destroy();
  canary.close();
});

const never = new AbortController().signal;
const refused: AttemptOutcome = { type: "failed", error: "destination not allowed" };

/** Runs `use` with a guarded sender. Names resolve to `answers` in turn, and from then on to the last one. */
async function guarded<T>(
  use: (post: (url: string, trusted?: boolean) => Promise<AttemptOutcome>) => Promise<T>,
  answers: Readonly<Record<string, LookupAddress[][]>> = {},
  allow: readonly string[] = [],
): Promise<T> {
  const left = new Map(Object.entries(answers).map(([host, each]) => [host, [...each]]));
  const resolve: Resolve = (host, callback) => {
    const each = left.get(host) ?? [];
    const found = each.length > 1 ? each.shift() : each[0];
    callback(found ? null : Object.assign(new Error("no such name"), { code: "ENOTFOUND" }), found ?? []);
  };
  const clock = new FakeClock();
  const sender = createWebhookSender({ clock, guard: { allow: parseAllowList(allow), resolve } });
  const body = new TextEncoder().encode("secret");
  try {
    return await use((url, trusted = false) =>
      sender.post({ url, headers: {}, body, timeoutMs: 1_000, trusted }, never),
    );
  } finally {
    await sender.close();
  }
}

describe("a guarded sender", () => {
  it("refuses private address literals in every notation, over http and https", async () => {
    await guarded(async (post) => {
      for (const host of literals) {
        for (const scheme of ["http", "https"]) {
          assert.deepEqual(await post(`${scheme}://${host}:${port}/hook`), refused, `${scheme}://${host}`);
        }
      }
      assert.deepEqual(await post(`http://user:pass@127.0.0.1:${port}/`), refused);
      assert.deepEqual(await post(`http://8.8.8.8@127.0.0.1:${port}/`), refused);
    });
    assert.deepEqual(seen, { connections: 0, bytes: 0 });
  });

  it("sends nothing to an invalid URL", async () => {
    await guarded(async (post) => {
      for (const host of [
        "[fe80::1%25lo]",
        "[::1%lo]",
        "127.0.0.1%00.example.test",
        "0x7f.0.0.0.0.1",
        "256.256.256.256",
      ]) {
        assert.equal((await post(`http://${host}:${port}/`)).type, "failed", host);
      }
    });
    assert.deepEqual(seen, { connections: 0, bytes: 0 });
  });

  it("refuses names with private addresses and reveals nothing else", async () => {
    const answers = Object.fromEntries(Object.entries(names).map(([name, found]) => [name, [found]]));
    await guarded(async (post) => {
      for (const name of Object.keys(names)) {
        for (const scheme of ["http", "https"])
          assert.deepEqual(await post(`${scheme}://${name}:${port}/`), refused, name);
      }
    }, answers);
    assert.deepEqual(seen, { connections: 0, bytes: 0 });
  });

  it("refuses a name that resolves first to a public, then to a private address", async () => {
    // 127.0.0.2 stands for an address on the internet, where a receiver takes one webhook and disconnects.
    const outside = createServer((socket) =>
      socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")),
    );
    outside.listen(port, "127.0.0.2");
    await once(outside, "listening");
    const answers = { "rebind.test": [[v4("127.0.0.2")], [v4("127.0.0.1")]] };
    await guarded(
      async (post) => {
        assert.deepEqual(await post(`http://rebind.test:${port}/`), { type: "answered", status: 200 });
        for (let again = 0; again < 3; again += 1) assert.deepEqual(await post(`http://rebind.test:${port}/`), refused);
      },
      answers,
      ["127.0.0.2"],
    );
    outside.close();
    await once(outside, "close");
    assert.deepEqual(seen, { connections: 0, bytes: 0 });
  });

  it("does not fall back to a private address if the public one is silent", async () => {
    const answers = { "both.test": [[v4("127.0.0.2"), v4("127.0.0.1"), v6("::1")]] };
    await guarded(
      async (post) => {
        assert.deepEqual(await post(`http://both.test:${port}/`), { type: "failed", error: "connection refused" });
      },
      answers,
      ["127.0.0.2"],
    );
    assert.deepEqual(seen, { connections: 0, bytes: 0 });
  });

  it("does not follow redirects to private addresses", async () => {
    let status = 301;
    await using outside = await openReceiver((response) =>
      response
        .writeHead(status, { location: `http://127.0.0.1:${port}/`, refresh: `0; url=http://127.0.0.1:${port}/` })
        .end(),
    );
    const answers = { "outside.test": [[v4("127.0.0.1")]] };
    await guarded(
      async (post) => {
        for (status of [301, 302, 303, 307, 308]) {
          const outcome = await post(`http://outside.test:${outside.port}/`);
          assert.deepEqual([outcome.type, outcome.type === "answered" && outcome.status], ["answered", status]);
        }
      },
      answers,
      ["outside.test"],
    );
    assert.equal(outside.requests.length, 5);
    assert.deepEqual(seen, { connections: 0, bytes: 0 });
  });

  it("reaches allowed hosts and blocks, and any host for trusted requests", async () => {
    await using receiver = await openReceiver();
    const ok: AttemptOutcome = { type: "answered", status: 200 };
    const answers = { "hooks.internal": [[v4("127.0.0.1")]], "other.internal": [[v4("127.0.0.1")]] };
    await guarded(
      async (post) => {
        assert.deepEqual(await post(`http://hooks.internal:${receiver.port}/`), ok);
        assert.deepEqual(await post(`http://other.internal:${receiver.port}/`), refused);
        assert.deepEqual(await post(`http://127.0.0.1:${receiver.port}/`), refused);
        assert.deepEqual(await post(`http://127.0.0.1:${receiver.port}/`, true), ok);
        // The connection of a trusted request is not shared.
        assert.deepEqual(await post(`http://127.0.0.1:${receiver.port}/`), refused);
      },
      answers,
      ["hooks.internal"],
    );
    await guarded(async (post) => assert.deepEqual(await post(`http://127.0.0.1:${receiver.port}/`), ok), {}, [
      "127.0.0.0/8",
    ]);
  });
});
