import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { describe, it } from "node:test";
import { createWebhookSender, type WebhookSenderOptions } from "../../../src/adapters/undici/webhook.ts";
import type { WebhookRequest, WebhookSender } from "../../../src/ports/webhook.ts";
import { epochMs, FakeClock } from "../../support/fake-clock.ts";
import { cert, key } from "../../support/localhost-certificate.ts";
import { openReceiver } from "../../support/webhook-receiver.ts";

const never = new AbortController().signal;
const body = new TextEncoder().encode('{"hello":"wörld"}');
const to = (url: string, more: Partial<WebhookRequest> = {}): WebhookRequest => ({
  url,
  headers: { "Content-Type": "application/json", "X-Custom": "a b" },
  body,
  timeoutMs: 30_000,
  ...more,
});

function openSender(more: Partial<WebhookSenderOptions> = {}) {
  const clock = new FakeClock();
  const sender: WebhookSender = createWebhookSender({ clock, ...more });
  return { clock, sender, post: (request: WebhookRequest, signal = never) => sender.post(request, signal) };
}

/** A raw TCP or TLS server on a free port. It ends with its sockets at the end of the scope. */
async function listening(server: Server) {
  const sockets = new Set<Socket>();
  const connected = once(server, "connection").then(([socket]: Socket[]) => socket as Socket);
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    /** The first connection. */
    connected,
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}

/** A port of loopback on which nothing listens. */
async function closedPort(): Promise<number> {
  await using server = await listening(createTcpServer());
  return server.port;
}

describe("the webhook sender", () => {
  it("posts the given bytes and headers and reports the status", async () => {
    await using receiver = await openReceiver((response) => response.writeHead(202).end("thanks"));
    const { sender, post, clock } = openSender();
    assert.deepEqual(await post(to(`${receiver.origin}/hook/a%20b?x=1&y=%2F#part`)), { type: "answered", status: 202 });
    const [request] = receiver.requests;
    assert.equal(request?.method, "POST");
    assert.equal(request?.path, "/hook/a%20b?x=1&y=%2F");
    assert.equal(request?.headers["content-type"], "application/json");
    assert.equal(request?.headers["x-custom"], "a b");
    assert.equal(request?.headers["content-length"], String(body.length));
    assert.deepEqual(request?.body, Buffer.from(body));
    assert.equal(clock.pending, 0, "the timer of the attempt is gone");
    await sender.close();
  });

  for (const status of [200, 204, 304, 400, 404, 410, 500, 503]) {
    it(`accepts ${status} as an answer`, async () => {
      await using receiver = await openReceiver((response) => response.writeHead(status).end());
      const { sender, post } = openSender();
      assert.deepEqual(await post(to(receiver.origin)), { type: "answered", status });
      await sender.close();
    });
  }

  for (const status of [300, 301, 302, 303, 307, 308]) {
    it(`does not follow a ${status} and reports it`, async () => {
      await using receiver = await openReceiver((response) =>
        response.writeHead(status, { Location: "/elsewhere" }).end(),
      );
      const { sender, post } = openSender();
      const note =
        "redirects are not followed: configure the final address, another path of the same host, as the webhook's URL";
      assert.deepEqual(await post(to(receiver.origin)), { type: "answered", status, note });
      assert.equal(receiver.requests.length, 1);
      await sender.close();
    });
  }

  const retryAfters: [string, string, number | undefined][] = [
    ["seconds", "120", 120_000],
    ["no seconds", "0", 0],
    ["a date", new Date(epochMs + 90_000).toUTCString(), 90_000],
    ["a date in the past", new Date(epochMs - 90_000).toUTCString(), 0],
    ["a fraction, which is not allowed", "1.5", undefined],
    ["a negative number, which is not allowed", "-5", undefined],
    ["words", "later, please", undefined],
    ["nothing", "", undefined],
  ];
  for (const [name, value, retryAfterMs] of retryAfters) {
    it(`parses a Retry-After with ${name}`, async () => {
      await using receiver = await openReceiver((response) => response.writeHead(429, { "Retry-After": value }).end());
      const { sender, post } = openSender();
      const expected = { type: "answered", status: 429, ...(retryAfterMs !== undefined && { retryAfterMs }) };
      assert.deepEqual(await post(to(receiver.origin)), expected);
      await sender.close();
    });
  }

  it("reuses connections", async () => {
    await using receiver = await openReceiver((response) => response.end("x".repeat(1000)));
    const { sender, post } = openSender();
    for (let i = 0; i < 10; i++) assert.equal((await post(to(receiver.origin))).type, "answered");
    // undici may open a second one before it knows that the first is free.
    assert.ok(receiver.connections <= 2, `${receiver.connections} connections`);
    await sender.close();
  });

  it("limits the connections per origin", async () => {
    await using receiver = await openReceiver();
    const { sender, post } = openSender({ connectionsPerOrigin: 2 });
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => post(to(receiver.origin))));
    assert.ok(outcomes.every((outcome) => outcome.type === "answered"));
    assert.equal(receiver.requests.length, 10);
    assert.ok(receiver.connections <= 2);
    await sender.close();
  });

  it("takes the status as the answer while the body continues", async () => {
    await using receiver = await openReceiver((response) => {
      const more = () => response.writable && response.write("x".repeat(16_384), () => setImmediate(more));
      response.writeHead(200);
      more();
    });
    const { sender, post } = openSender();
    assert.deepEqual(await post(to(receiver.origin)), { type: "answered", status: 200 });
    await sender.close();
  });

  it("takes the status as the answer if the body breaks off", async () => {
    await using receiver = await openReceiver((response) => {
      response.writeHead(200, { "Content-Length": 100 });
      response.write("x", () => response.destroy());
    });
    const { sender, post } = openSender();
    assert.deepEqual(await post(to(receiver.origin)), { type: "answered", status: 200 });
    await sender.close();
  });

  it("waits for an answer until the timeout", async () => {
    await using receiver = await openReceiver(() => {});
    const { sender, post, clock } = openSender();
    const outcome = post(to(receiver.origin, { timeoutMs: 30_000 }));
    await receiver.arrived(1);
    clock.advance(30_000);
    assert.deepEqual(await outcome, { type: "failed", error: "timed out" });
    await sender.close();
  });

  it("waits for a connection until the timeout", async () => {
    const { sender, post, clock } = openSender({ connect: () => {} });
    const outcome = post(to("http://127.0.0.1:9/"));
    clock.advance(30_000);
    assert.deepEqual(await outcome, { type: "failed", error: "timed out" });
    await sender.close();
  });

  it("ends an aborted attempt, before and during it", async () => {
    await using receiver = await openReceiver(() => {});
    const { sender, post, clock } = openSender();
    assert.deepEqual(await post(to(receiver.origin), AbortSignal.abort()), { type: "failed", error: "aborted" });
    assert.equal(receiver.requests.length, 0);
    const abort = new AbortController();
    const outcome = post(to(receiver.origin), abort.signal);
    await receiver.arrived(1);
    abort.abort();
    assert.deepEqual(await outcome, { type: "failed", error: "aborted" });
    assert.equal(clock.pending, 0);
    await sender.close();
  });

  it("closes all connections and connection attempts on close", async () => {
    await using silent = await listening(createTcpServer());
    await using receiver = await openReceiver();
    const { sender, post } = openSender();
    await post(to(receiver.origin));
    const abort = new AbortController();
    const outcome = post(to(`https://127.0.0.1:${silent.port}/`), abort.signal);
    const socket = await silent.connected;
    abort.abort();
    assert.deepEqual(await outcome, { type: "failed", error: "aborted" });
    await sender.close();
    await once(socket.resume(), "close");
    await sender.close();
  });

  it("sends a URL's user and password as Basic authentication", async () => {
    await using receiver = await openReceiver();
    const { sender, post } = openSender();
    await post(to(`http://ann:p%40ss%C3%BC@127.0.0.1:${receiver.port}/`));
    await post(to(`http://ann:100%@127.0.0.1:${receiver.port}/`));
    await post(to(`http://ann:secret@127.0.0.1:${receiver.port}/`, { headers: { authorization: "Bearer t" } }));
    const basic = (credentials: string) => `Basic ${Buffer.from(credentials).toString("base64")}`;
    assert.deepEqual(
      receiver.requests.map((request) => request.headers.authorization),
      [basic("ann:p@ssü"), basic("ann:100%"), "Bearer t"],
    );
    await sender.close();
  });
});

describe("a failed webhook", () => {
  it("reports a refused connection without its address", async () => {
    const { sender, post } = openSender();
    const outcome = await post(to(`http://127.0.0.1:${await closedPort()}/`));
    assert.deepEqual(outcome, { type: "failed", error: "connection refused" });
    await sender.close();
  });

  it("reports an unknown name", async () => {
    const { sender, post } = openSender({
      connect: (_, callback) =>
        callback(Object.assign(new Error("getaddrinfo ENOTFOUND db.internal"), { code: "ENOTFOUND" }), null),
    });
    assert.deepEqual(await post(to("http://db.internal/")), { type: "failed", error: "name not found" });
    await sender.close();
  });

  it("reports no details of unknown errors", async () => {
    const { sender, post } = openSender({ connect: (_, callback) => callback(new Error("10.0.0.7 is private"), null) });
    assert.deepEqual(await post(to("http://db.internal/")), { type: "failed", error: "connection failed" });
    await sender.close();
  });

  it("reports a connection closed before the answer", async () => {
    await using receiver = await openReceiver((response) => response.destroy());
    const { sender, post } = openSender();
    assert.deepEqual(await post(to(receiver.origin)), { type: "failed", error: "connection closed before the answer" });
    await sender.close();
  });

  it("reports an answer that is not HTTP", async () => {
    const server = createTcpServer((socket) => socket.once("data", () => socket.end("SSH-2.0-OpenSSH_9.6\r\n")));
    await using receiver = await listening(server);
    const { sender, post } = openSender();
    const outcome = await post(to(`http://127.0.0.1:${receiver.port}/`));
    assert.deepEqual(outcome, { type: "failed", error: "the answer is not HTTP" });
    await sender.close();
  });

  for (const [name, headers] of [
    ["a header with a line break", { "X-Custom": "a\r\nX-Injected: b" }],
    ["a header with a NUL", { "X-Custom": "a\0b" }],
    ["a header name with a line break", { "X-Custom\r\nX-Injected": "b" }],
    ["a header of the connection's own", { "Transfer-Encoding": "chunked" }],
  ] as [string, Record<string, string>][]) {
    it(`is not sent with ${name}`, async () => {
      await using receiver = await openReceiver();
      const { sender, post } = openSender();
      const outcome = await post(to(receiver.origin, { headers }));
      assert.deepEqual(outcome, { type: "failed", error: "the request is not valid" });
      assert.equal(receiver.requests.length, 0);
      await sender.close();
    });
  }

  for (const url of ["nonsense", "ftp://127.0.0.1/"]) {
    it(`is not sent to ${url}`, async () => {
      const { sender, post } = openSender();
      assert.deepEqual(await post(to(url)), { type: "failed", error: "the request is not valid" });
      await sender.close();
    });
  }

  it("reports that the sender is closed", async () => {
    await using receiver = await openReceiver();
    const { sender, post } = openSender();
    await sender.close();
    assert.deepEqual(await post(to(receiver.origin)), { type: "failed", error: "the sender is closed" });
  });
});

describe("a webhook over TLS", () => {
  const tlsServer = () => createTlsServer({ key, cert }, (_, response) => response.end());

  it("is not sent to a receiver with an untrusted certificate", async () => {
    await using receiver = await listening(tlsServer());
    const { sender, post } = openSender();
    const outcome = await post(to(`https://localhost:${receiver.port}/`));
    assert.deepEqual(outcome, { type: "failed", error: "TLS certificate not accepted" });
    await sender.close();
  });

  it("is sent only to the names in a trusted certificate", async () => {
    await using receiver = await listening(tlsServer());
    const { sender, post } = openSender({ connect: { ca: cert } });
    assert.deepEqual(await post(to(`https://localhost:${receiver.port}/`)), { type: "answered", status: 200 });
    assert.deepEqual(await post(to(`https://127.0.0.1:${receiver.port}/`)), {
      type: "failed",
      error: "TLS certificate not accepted",
    });
    await sender.close();
  });

  it("fails if the receiver does not speak TLS", async () => {
    await using receiver = await openReceiver();
    const { sender, post } = openSender();
    const outcome = await post(to(`https://127.0.0.1:${receiver.port}/`));
    assert.deepEqual(outcome, { type: "failed", error: "TLS handshake failed" });
    await sender.close();
  });
});
