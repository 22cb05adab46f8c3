import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Engine_Kind } from "../../gen/sessiond/v1/session_pb.js";
import { openMemoryBackend } from "../../src/adapters/memory/backend.ts";
import type { EngineFactory } from "../../src/ports/engine.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { startServer } from "../support/server.ts";
import { ScriptedEngine } from "./harness.ts";

const noweb: EngineFactory = {
  kind: Engine_Kind.NOWEB,
  abilities: [],
  open: () => new ScriptedEngine(),
  hasLogin: async () => true,
};

/** Starts a server with the session "ada", whose answers have been read before. Returns functions that read them and change them. */
async function serve(t: TestContext) {
  const clock = new FakeClock();
  const { url } = await startServer(t, {}, { clock, backend: openMemoryBackend({ clock }), engines: [noweb] });
  const read = async (path: string, method = "GET", headers: Record<string, string> = {}) => {
    const answer = await fetch(url + path, { method, headers });
    const text = await answer.text();
    const { status } = answer;
    return { status, etag: answer.headers.get("etag"), length: answer.headers.get("content-length"), text };
  };
  const change = async (method: string, path: string, body: unknown = {}) => {
    const init = { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    const answer = await fetch(url + path, init);
    assert.ok(answer.ok, `${method} ${path}: ${await answer.text()}`);
  };
  await change("POST", "/api/sessions", { name: "ada", start: false, config: { metadata: { tier: "gold" } } });
  const readAll = async () => ({
    one: await read("/api/sessions/ada"),
    running: await read("/api/sessions"),
    all: await read("/api/sessions?all=true"),
    gold: await read("/api/sessions?all=true&metadata.tier=gold"),
    head: await read("/api/sessions/ada", "HEAD"),
  });
  assert.deepEqual(await readAll(), await readAll());
  return { read, change, readAll };
}

type Answers = Awaited<ReturnType<Awaited<ReturnType<typeof serve>>["readAll"]>>;

const statusIn = ({ one }: Answers) => JSON.parse(one.text).status;
const countsIn = ({ running, all, gold }: Answers) => [running, all, gold].map(({ text }) => JSON.parse(text).length);

describe("an answer that was read before", () => {
  it("shows an update of the session, with another ETag", async (t) => {
    const { change, readAll } = await serve(t);
    const before = await readAll();
    await change("PUT", "/api/sessions/ada", { config: { metadata: { tier: "free", name: "Ada Lovelace" } } });
    const after = await readAll();
    assert.deepEqual(JSON.parse(after.one.text).config.metadata, { tier: "free", name: "Ada Lovelace" });
    assert.deepEqual(JSON.parse(after.all.text)[0], JSON.parse(after.one.text));
    assert.deepEqual(
      [countsIn(before), countsIn(after)],
      [
        [0, 1, 1],
        [0, 1, 0],
      ],
    );
    assert.notEqual(after.one.etag, before.one.etag);
    assert.equal(after.head.etag, after.one.etag);
  });

  it("shows a start, a restart and a stop of the session", async (t) => {
    const { change, readAll } = await serve(t);
    const seen = [];
    for (const step of ["start", "restart", "stop"]) {
      await change("POST", `/api/sessions/ada/${step}`);
      const answers = await readAll();
      seen.push([statusIn(answers), ...countsIn(answers)]);
    }
    assert.deepEqual(seen, [
      ["STARTING", 1, 1, 1],
      ["STARTING", 1, 1, 1],
      ["STOPPED", 0, 1, 1],
    ]);
  });

  it("is gone after the session was deleted, and another one after it was created again", async (t) => {
    const { change, readAll } = await serve(t);
    await change("DELETE", "/api/sessions/ada");
    const gone = await readAll();
    assert.deepEqual([gone.one.status, gone.one.etag, ...countsIn(gone)], [404, null, 0, 0, 0]);
    await change("POST", "/api/sessions", { name: "ada", start: false });
    const again = await readAll();
    assert.deepEqual(JSON.parse(again.one.text).config.metadata ?? {}, {});
    assert.deepEqual(countsIn(again), [0, 1, 0]);
  });

  it("shows a second session in the lists", async (t) => {
    const { change, readAll } = await serve(t);
    await change("POST", "/api/sessions", { name: "bob", config: { metadata: { tier: "gold" } } });
    assert.deepEqual(countsIn(await readAll()), [1, 2, 2]);
  });

  it("has the length of its bytes, also where letters take more than one", async (t) => {
    const { change, readAll } = await serve(t);
    await change("PUT", "/api/sessions/ada", { config: { metadata: { name: "Zoë 🙂" } } });
    for (const { one, all, head } of [await readAll(), await readAll()]) {
      assert.deepEqual(
        [one, all].map(({ text }) => String(Buffer.byteLength(text))),
        [one.length, all.length],
      );
      assert.deepEqual([head.text, head.length], ["", one.length]);
    }
  });

  it("is the same whatever the client accepts", async (t) => {
    const { read } = await serve(t);
    const plain = await read("/api/sessions/ada");
    for (const headers of [{ accept: "text/html" }, { accept: "*/*" }, { "accept-encoding": "gzip, br" }]) {
      assert.deepEqual(await read("/api/sessions/ada", "GET", headers as Record<string, string>), plain);
    }
  });
});
