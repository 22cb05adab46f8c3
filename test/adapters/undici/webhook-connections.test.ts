import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { describe, it } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { createWebhookSender } from "../../../src/adapters/undici/webhook.ts";
import type { AttemptOutcome } from "../../../src/domain/delivery.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { cert, key } from "../../support/localhost-certificate.ts";

const never = new AbortController().signal;
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n";
const answered: AttemptOutcome = { type: "answered", status: 200 };
const closed: AttemptOutcome = { type: "failed", error: "connection closed before the answer" };

/** A request as received by a server, with the number of its connection and its number there, both from 1. */
interface Arrival {
  readonly connection: number;
  readonly nth: number;
  readonly id: string;
  readonly body: string;
}

/** Handles a socket after a complete request. `raw` is the TCP connection below TLS. */
type Answer = (socket: Socket, arrival: Arrival, raw: Socket) => void;

/** A server that reads requests and leaves the answers to `answer`. */
async function openServer(scheme: "http" | "https", answer: Answer) {
  const arrivals: Arrival[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const serve = (socket: Socket) => {
    const connection = ++connections;
    let nth = 0;
    let text = "";
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      text += chunk;
      const [, head = "", length = "0"] = /^([\s\S]*?content-length: (\d+)[\s\S]*?)\r\n\r\n/i.exec(text) ?? [];
      const end = head.length + 4 + Number(length);
      if (head === "" || text.length < end) return;
      const id = /x-webhook-request-id: (\S+)/i.exec(head)?.[1] ?? "";
      const arrival = { connection, nth: ++nth, id, body: text.slice(head.length + 4, end) };
      text = text.slice(end);
      arrivals.push(arrival);
      answer(socket, arrival, byPeer.get(socket.remotePort) ?? socket);
    });
  };
  const byPeer = new Map<number | undefined, Socket>();
  const server: Server = scheme === "http" ? createTcpServer(serve) : createTlsServer({ key, cert }, serve);
  server.on("connection", (socket) => byPeer.set(socket.remotePort, socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `${scheme}://localhost:${(server.address() as AddressInfo).port}/hook`,
    arrivals,
    get connections() {
      return connections;
    },
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}

/** Has unlimited connections by default, since undici chooses among several at random. */
function openSender(connectionsPerOrigin = 1) {
  const sender = createWebhookSender({ clock: new FakeClock(), connect: { ca: cert }, connectionsPerOrigin });
  const post = (url: string, n: number) => {
    const headers = { "X-Webhook-Request-Id": `dlv_${n}` };
    const body = new TextEncoder().encode(`{"n":${n}}`);
    return sender.post({ url, headers, body, timeoutMs: 30_000 }, never);
  };
  return { post, [Symbol.asyncDispose]: () => sender.close() };
}

/** Ways in which a server ends a connection after a request. */
const endings: [string, (socket: Socket, raw: Socket) => void][] = [
  ["resets", (_, raw) => void raw.resetAndDestroy()],
  ["closes", (socket) => void socket.end()],
  ["drops", (socket) => void socket.destroy()],
];

for (const scheme of ["http", "https"] as const) {
  describe(`a webhook over a reused ${scheme} connection`, () => {
    for (const [ends, end] of endings) {
      it(`is sent again at once if the server ${ends} it before the answer`, async () => {
        await using server = await openServer(scheme, (socket, { connection, nth }, raw) => {
          if (connection === 1 && nth === 2) end(socket, raw);
          else socket.write(ok);
        });
        await using sender = openSender();
        for (let n = 1; n <= 3; n += 1) assert.deepEqual(await sender.post(server.url, n), answered);
        const [first, second, again, third] = server.arrivals;
        assert.deepEqual([first?.connection, second?.connection, again?.connection], [1, 1, 2]);
        assert.deepEqual([again?.id, again?.body], [second?.id, second?.body]);
        assert.deepEqual([server.arrivals.length, third?.id], [4, "dlv_3"]);
      });

      it(`fails if the server ${ends} the new connection too`, async () => {
        await using server = await openServer(scheme, (socket, { connection, nth }, raw) => {
          if (connection === 1 && nth === 1) socket.write(ok);
          else end(socket, raw);
        });
        await using sender = openSender();
        assert.deepEqual(await sender.post(server.url, 1), answered);
        assert.deepEqual(await sender.post(server.url, 2), closed);
        assert.deepEqual([server.arrivals.length, server.connections], [3, 2]);
      });

      it(`is not sent again if the server ${ends} a new connection`, async () => {
        await using server = await openServer(scheme, (socket, _, raw) => end(socket, raw));
        await using sender = openSender();
        assert.deepEqual(await sender.post(server.url, 1), closed);
        assert.equal(server.arrivals.length, 1);
      });
    }

    for (const [name, part] of [
      ["one byte", "H"],
      ["a part of the head", "HTTP/1.1 200 OK\r\nContent-"],
      ["an early hint", "HTTP/1.1 103 Early Hints\r\n\r\n"],
    ] as const) {
      it(`is not sent again after ${name} of an answer`, async () => {
        await using server = await openServer(scheme, (socket, { nth }) => {
          if (nth === 1) socket.write(ok);
          else socket.write(part, () => socket.end());
        });
        await using sender = openSender();
        assert.deepEqual(await sender.post(server.url, 1), answered);
        assert.equal((await sender.post(server.url, 2)).type, "failed");
        assert.equal(server.arrivals.length, 2);
      });
    }

    it("gets a new connection each if many are lost at once", async () => {
      const waiting: { socket: Socket; nth: number; raw: Socket }[] = [];
      await using server = await openServer(scheme, (socket, { nth, connection }, raw) => {
        if (connection > 8) return void socket.write(ok);
        waiting.push({ socket, nth, raw });
        if (waiting.length < 8) return;
        for (const each of waiting.splice(0)) {
          if (each.nth === 1) each.socket.write(ok);
          else each.raw.resetAndDestroy();
        }
      });
      await using sender = openSender(8);
      const all = (round: number) =>
        Promise.all(Array.from({ length: 8 }, (_, n) => sender.post(server.url, round + n)));
      assert.deepEqual(new Set((await all(10)).map(({ type }) => type)), new Set(["answered"]));
      assert.deepEqual(new Set((await all(20)).map(({ type }) => type)), new Set(["answered"]));
      assert.equal(server.arrivals.length, 24);
    });
  });
}
