import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, constants } from "node:http2";
import type { Writable } from "node:stream";
import { it, type TestContext } from "node:test";
import type { RequestListener } from "../../../src/http/exchange.ts";
import type { ServerLimits } from "../../../src/http/server/server.ts";
import { startServer } from "../rest/server.ts";

/** Answers "/open" with a stream that stays open. */
const listener: RequestListener = (req, res) => {
  const out: Writable = res;
  if (req.url === "/open") out.write("open");
  else out.end("done");
};

async function open(t: TestContext, limits: Partial<ServerLimits> = {}) {
  const { url } = await startServer(t, listener, { limits });
  const session = connect(url);
  t.after(() => session.destroy());
  await once(session, "remoteSettings");
  const ask = (headers: Record<string, string> = {}, path = "/") => {
    const stream = session.request({ ...headers, ":path": path });
    const answer = new Promise<number>((resolve) => {
      stream.once("response", (head) => resolve(Number(head[":status"])));
      stream.on("error", () => {}).once("close", () => resolve(-(stream.rstCode ?? 0)));
    });
    stream.resume();
    return { stream, answer };
  };
  return { session, ask };
}

it("headers over the limit are refused, and the connection stays open", async (t) => {
  const { session, ask } = await open(t);
  assert.equal(session.remoteSettings.maxHeaderListSize, 16_384);
  assert.equal(await ask({ "x-large": "y".repeat(10_000) }).answer, 200);
  const { NGHTTP2_ENHANCE_YOUR_CALM: tooMuch } = constants;
  assert.equal(await ask({ "x-large": "y".repeat(20_000) }).answer, -tooMuch);
  const many = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`x-${n}`, "y"]));
  assert.equal(await ask(many).answer, -tooMuch);
  assert.equal(await ask().answer, 200);
});

it("a stream over the limit waits for another to end", async (t) => {
  const { session, ask } = await open(t, { maxConcurrentStreams: 2 });
  assert.equal(session.remoteSettings.maxConcurrentStreams, 2);
  await Promise.all([ask({}, "/open").answer, ask({}, "/open").answer]);
  let isAnswered = false;
  void ask().answer.then(() => {
    isAnswered = true;
  });
  for (let n = 0; n < 3; n += 1) await new Promise((resolve) => session.ping(resolve));
  assert.equal(isAnswered, false);
});

it("frequent pings, as from gRPC clients, are answered", async (t) => {
  const { session, ask } = await open(t);
  const quiet = ask({}, "/open");
  await quiet.answer;
  for (let n = 0; n < 500; n += 1) {
    await new Promise<void>((resolve, reject) => session.ping((error) => (error ? reject(error) : resolve())));
  }
  assert.equal(session.destroyed || quiet.stream.closed, false);
});

it("a client may cancel all its streams a few times, but not endlessly", async (t) => {
  const { session, ask } = await open(t, { maxConcurrentStreams: 300 });
  session.on("error", () => {});
  const round = async () => {
    const opened = Array.from({ length: 300 }, () => ask({}, "/open"));
    await Promise.all(opened.map(({ answer }) => answer));
    const closed = opened.map(({ stream }) => (stream.destroyed ? undefined : once(stream, "close")));
    for (const { stream } of opened) stream.close(constants.NGHTTP2_CANCEL);
    await Promise.all(closed);
    // Once it has read the cancellations, the server accepts as many streams again.
    await new Promise((resolve) => session.ping(resolve));
  };
  for (let n = 0; n < 3; n += 1) await round();
  assert.equal(session.destroyed, false);
  for (let n = 0; n < 50 && !session.destroyed; n += 1) await round().catch(() => {});
  assert.equal(session.destroyed, true);
});
