import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { outageLimit } from "../../src/api/outage-limit.ts";
import { SessionError } from "../../src/domain/errors.ts";

type Request = Parameters<ReturnType<ReturnType<typeof outageLimit>>>[0];
type Response = Awaited<ReturnType<ReturnType<ReturnType<typeof outageLimit>>>>;

/** An interceptor over a call, with the callbacks of an outage. */
function open(call: Promise<Response>, stream = false) {
  const callbacks = new Set<() => void>();
  const limit = outageLimit((callback) => {
    callbacks.add(callback);
    return () => callbacks.delete(callback);
  });
  return { callbacks, answer: limit(() => call)({ stream } as Request) };
}

const response = { stream: false } as Response;

describe("a call in an outage of the store", () => {
  it("is answered as UNAVAILABLE while its step goes on", async () => {
    const { promise, resolve } = Promise.withResolvers<Response>();
    const { callbacks, answer } = open(promise);
    for (const tell of callbacks) tell();
    await assert.rejects(answer, (error) => error instanceof SessionError && error.reason === "STORE_UNAVAILABLE");
    assert.equal(callbacks.size, 0);
    resolve(response);
  });

  it("whose step fails later disturbs nobody", async () => {
    const { promise, reject } = Promise.withResolvers<Response>();
    const { callbacks, answer } = open(promise);
    for (const tell of callbacks) tell();
    await assert.rejects(answer);
    reject(new Error("later"));
    await new Promise((resolve) => setImmediate(resolve));
  });

  it("that is answered in time leaves nothing behind", async () => {
    const { callbacks, answer } = open(Promise.resolve(response));
    assert.equal(await answer, response);
    assert.equal(callbacks.size, 0);
  });

  it("that is a stream is left alone", async () => {
    const { callbacks, answer } = open(Promise.resolve(response), true);
    assert.equal(callbacks.size, 0);
    await answer;
  });
});
