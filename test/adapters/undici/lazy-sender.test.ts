import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemClock } from "../../../src/adapters/node/system.ts";
import { createLazySender } from "../../../src/adapters/undici/lazy-sender.ts";

const request = { url: "http://127.0.0.1:9/hook", headers: {}, body: Buffer.from("{}"), timeoutMs: 5_000 };
const { signal } = new AbortController();
const load = () => import("../../../src/adapters/undici/webhook.ts");

describe("a sender whose library is loaded for its first request", () => {
  it("answers with a failed attempt while the library cannot be loaded, and then posts", async () => {
    let loads = 0;
    const sender = createLazySender({ clock: systemClock }, async () => {
      loads += 1;
      if (loads === 1) throw new Error("EMFILE: too many open files");
      return load();
    });
    const failed = { type: "failed", error: "the HTTP client could not be loaded" };
    assert.deepEqual(await Promise.all([sender.post(request, signal), sender.post(request, signal)]), [failed, failed]);
    assert.equal(loads, 1);
    assert.deepEqual(await sender.post(request, signal), { type: "failed", error: "connection refused" });
    await sender.close();
    assert.equal(loads, 2);
  });

  it("closes without loading the library, and while that fails", async () => {
    let loads = 0;
    const failing = async () => {
      loads += 1;
      throw new Error("EMFILE: too many open files");
    };
    await createLazySender({ clock: systemClock }, failing).close();
    assert.equal(loads, 0);
    const sender = createLazySender({ clock: systemClock }, failing);
    const outcome = sender.post(request, signal);
    await sender.close();
    assert.equal((await outcome).type, "failed");
  });
});
