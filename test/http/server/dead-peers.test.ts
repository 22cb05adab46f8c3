import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import type { Writable } from "node:stream";
import { it } from "node:test";
import type { RequestListener } from "../../../src/http/exchange.ts";
import { startServer } from "../rest/server.ts";
import { openSocket } from "./raw-socket.ts";

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
// An empty SETTINGS frame (RFC 9113, section 6.5).
const settings = "\0\0\0\x04\0\0\0\0\0";
// Header of a PING frame: 8 bytes, type 6, no flags, stream 0.
const ping = "\0\0\x08\x06\0\0\0\0\0";

const quiet: RequestListener = (_req, res) => {
  const out: Writable = res;
  out.write("open");
};

it("an HTTP/2 peer that does not answer a ping is disconnected with its streams", async (t) => {
  const ended = Promise.withResolvers<void>();
  const { port } = await startServer(
    t,
    (req, res) => {
      res.once("close", () => ended.resolve());
      quiet(req, res);
    },
    { limits: { pingIntervalMs: 50, pingTimeoutMs: 100 } },
  );
  const { socket, received, closed } = await openSocket(t, port);
  // GET / by indexed fields, and an authority (RFC 7541, appendix A).
  socket.write(preface + settings);
  socket.write(Buffer.from([0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x84, 0x86, 0x41, 0x01, 0x61]));
  await received(ping);
  await closed;
  await ended.promise;
});

it("an HTTP/2 peer that answers pings stays connected", async (t) => {
  const { url } = await startServer(t, quiet, { limits: { pingIntervalMs: 10, pingTimeoutMs: 10_000 } });
  const session = connect(url);
  t.after(() => session.destroy());
  const pinged = Promise.withResolvers<void>();
  let pings = 0;
  session.on("ping", () => {
    pings += 1;
    if (pings === 10) pinged.resolve();
  });
  const stream = session.request({ ":path": "/" });
  await once(stream, "response");
  await pinged.promise;
  assert.equal(session.destroyed || stream.closed, false);
});
