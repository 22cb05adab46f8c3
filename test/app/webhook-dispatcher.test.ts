import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { DeliverySchema, type Endpoint, EndpointSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import type { WebhookConfigSchema } from "../../gen/sessiond/v1/session_pb.js";
import { nodeSigner } from "../../src/adapters/node/signer.ts";
import { type DispatcherOptions, WebhookDispatcher } from "../../src/app/webhook-dispatcher.ts";
import type { AttemptOutcome } from "../../src/domain/delivery.ts";
import type { Claim } from "../../src/ports/outbox.ts";
import { LeaseLost } from "../../src/ports/sessions.ts";
import type { Logger } from "../../src/ports/system.ts";
import type { WebhookRequest } from "../../src/ports/webhook.ts";
import { FakeClock } from "../support/fake-clock.ts";

/** Queue of claims that records how they were settled. */
class Queue {
  readonly settled: string[] = [];
  readonly #waiting: Claim[] = [];
  #wake = () => {};
  claimed = 0;

  /** Makes a delivery due. `failing` lists the errors of its next settlements. */
  push(
    id: string,
    attempts = 0,
    config: MessageInitShape<typeof WebhookConfigSchema> = {},
    failing: Error[] = [],
  ): void {
    const settle = (how: string) => async () => {
      const failure = failing.shift();
      if (failure) throw failure;
      this.settled.push(`${id} ${how}`);
    };
    this.#waiting.push({
      delivery: create(DeliverySchema, {
        id,
        attempts,
        event: { id: "evt_1", name: "session.status", session: "alice" },
      }),
      endpoint: create(EndpointSchema, { id: "ep_1", config: { url: "http://a.test/hook", ...config } }),
      done: settle("done"),
      retry: (delayMs: number) => settle(`retry in ${delayMs}`)(),
      giveUp: (reason: string) => settle(`given up: ${reason}`)(),
    });
    this.#wake();
  }

  async endpoints(): Promise<Endpoint[]> {
    return [];
  }

  async *claims(signal: AbortSignal): AsyncIterable<Claim> {
    signal.addEventListener("abort", () => this.#wake());
    while (!signal.aborted) {
      const next = this.#waiting.shift();
      if (next) {
        this.claimed++;
        yield next;
      } else {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wake = resolve;
        await promise;
      }
    }
  }
}

/** Attempts that wait until the test answers them. */
class Posts {
  readonly open: { request: WebhookRequest; signal: AbortSignal; answer: (outcome: AttemptOutcome) => void }[] = [];
  total = 0;
  readonly post = (request: WebhookRequest, signal: AbortSignal): Promise<AttemptOutcome> => {
    const { promise, resolve } = Promise.withResolvers<AttemptOutcome>();
    this.total++;
    this.open.push({ request, signal, answer: resolve });
    signal.addEventListener("abort", () => resolve({ type: "failed", error: "aborted" }));
    return promise;
  };
  readonly close = async () => {};
}

const ok: AttemptOutcome = { type: "answered", status: 200 };

function setUp(more: Partial<DispatcherOptions> = {}) {
  const queue = new Queue();
  const posts = new Posts();
  const clock = new FakeClock();
  const lines: { level: string; text: string; error?: unknown }[] = [];
  const write = (level: string) => (fields: object, message: string) => {
    lines.push({ level, text: `${message} ${JSON.stringify(fields)}`, ...("err" in fields && { error: fields.err }) });
  };
  const logger: Logger = {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    child: () => logger,
  };
  const dispatcher = new WebhookDispatcher({
    outbox: queue,
    sender: posts,
    clock,
    random: { unit: () => 0.5, ulid: () => "01" },
    logger,
    environment: { version: "0.1.0", tier: "PLUS", browser: null },
    signer: nodeSigner,
    ...more,
  });
  return { queue, posts, clock, lines, dispatcher };
}

/** Runs all callbacks that are ready. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

const settlements: [string, number, AttemptOutcome, string][] = [
  ["a success as done", 0, ok, "done"],
  ["a redirect as to be tried again", 0, { type: "answered", status: 302 }, "retry in 2000"],
  ["a refusal to connect likewise", 0, { type: "failed", error: "connection refused" }, "retry in 2000"],
  ["a 429 after the time it asks for", 0, { type: "answered", status: 429, retryAfterMs: 9000 }, "retry in 9000"],
  ["a 410 as given up", 0, { type: "answered", status: 410 }, "given up: answered 410"],
  ["the last failed attempt as given up", 15, { type: "failed", error: "timed out" }, "given up: timed out"],
  ["the last but one as to be tried again", 14, { type: "failed", error: "timed out" }, "retry in 2000"],
];

describe("the webhook dispatcher", () => {
  for (const [name, attempts, outcome, expected] of settlements) {
    it(`settles ${name}`, async () => {
      const { queue, dispatcher } = setUp({ sender: { post: async () => outcome, close: async () => {} } });
      dispatcher.start();
      queue.push("dlv_1", attempts);
      await settle();
      assert.deepEqual(queue.settled, [`dlv_1 ${expected}`]);
      await dispatcher.stop();
    });
  }

  it("uses the endpoint's own schedule", async () => {
    const { queue, dispatcher } = setUp({
      sender: { post: async () => ({ type: "answered", status: 500 }), close: async () => {} },
    });
    dispatcher.start();
    queue.push("dlv_1", 2, { retries: { policy: "linear", delaySeconds: 5, attempts: 3 } });
    queue.push("dlv_2", 3, { retries: { policy: "linear", delaySeconds: 5, attempts: 3 } });
    await settle();
    assert.deepEqual(queue.settled, ["dlv_1 retry in 15000", "dlv_2 given up: answered 500"]);
    await dispatcher.stop();
  });

  it("has a limited number in flight and reads no further", async () => {
    const { queue, posts, dispatcher } = setUp({ maxInFlight: 2 });
    for (let i = 1; i <= 5; i++) queue.push(`dlv_${i}`);
    dispatcher.start();
    await settle();
    assert.deepEqual([queue.claimed, posts.total], [2, 2]);
    posts.open[1]?.answer(ok);
    await settle();
    assert.deepEqual([queue.claimed, posts.total], [3, 3]);
    for (let i = 0; i < 5; i++) {
      posts.open[i]?.answer(ok);
      await settle();
    }
    assert.equal(queue.settled.length, 5);
    await dispatcher.stop();
  });

  it("repeats a settlement that the queue refused, without sending again", async () => {
    const { queue, posts, clock, lines, dispatcher } = setUp();
    dispatcher.start();
    queue.push("dlv_1", 0, {}, [new Error("disk full"), new Error("disk full")]);
    await settle();
    posts.open[0]?.answer(ok);
    await settle();
    for (let i = 0; i < 2; i++) {
      assert.deepEqual(queue.settled, []);
      clock.advance(1000);
      await settle();
    }
    assert.deepEqual(queue.settled, ["dlv_1 done"]);
    assert.equal(posts.total, 1);
    assert.equal(lines.filter((line) => line.level === "error").length, 2);
    await dispatcher.stop();
  });

  it("leaves a delivery alone that another dispatcher has taken over", async () => {
    const { queue, posts, clock, dispatcher } = setUp();
    dispatcher.start();
    queue.push("dlv_1", 0, {}, [new LeaseLost("taken over")]);
    await settle();
    posts.open[0]?.answer(ok);
    await settle();
    assert.deepEqual(queue.settled, []);
    assert.equal(clock.pending, 0);
    await dispatcher.stop();
  });

  const broken = () => {
    throw new Error("a bug");
  };
  for (const [name, more] of [
    ["sending", { sender: { post: broken, close: async () => {} } }],
    ["signing", { signer: { hmac: broken } }],
  ] as const) {
    it(`retries by the schedule when ${name} throws, logs it, and continues`, async () => {
      const { queue, lines, dispatcher } = setUp(more);
      dispatcher.start();
      queue.push("dlv_1", 0, { hmac: { key: "k" } });
      queue.push("dlv_2", 15, { hmac: { key: "k" } });
      await settle();
      assert.deepEqual(queue.settled, ["dlv_1 retry in 2000", "dlv_2 given up: internal error"]);
      assert.match(String(lines.find((line) => line.level === "error")?.error), /a bug/);
      await dispatcher.stop();
    });
  }

  it("gives up at once a delivery without its event", async () => {
    const queue = new Queue();
    const outbox = {
      endpoints: async () => [],
      async *claims(signal: AbortSignal) {
        for await (const claim of queue.claims(signal)) yield { ...claim, delivery: create(DeliverySchema) };
      },
    };
    const { dispatcher } = setUp({ outbox });
    dispatcher.start();
    queue.push("dlv_1");
    await settle();
    assert.deepEqual(queue.settled, ["dlv_1 given up: the stored delivery is incomplete"]);
    await dispatcher.stop();
  });

  it("reads the queue anew after a failed read", async () => {
    const queue = new Queue();
    let failures = 2;
    const outbox = {
      endpoints: async () => [],
      claims(signal: AbortSignal): AsyncIterable<Claim> {
        if (failures-- > 0) throw new Error("disk");
        return queue.claims(signal);
      },
    };
    const { posts, clock, lines, dispatcher } = setUp({ outbox });
    queue.push("dlv_1");
    dispatcher.start();
    await settle();
    clock.advance(1000);
    await settle();
    clock.advance(1000);
    await settle();
    assert.equal(posts.total, 1);
    assert.equal(lines.filter((line) => line.level === "error").length, 2);
    posts.open[0]?.answer(ok);
    await dispatcher.stop();
  });

  it("logs each attempt without secrets, and a delivery given up as a warning", async () => {
    const { queue, posts, lines, dispatcher } = setUp();
    dispatcher.start();
    queue.push("dlv_1", 15, {
      url: "https://user:s3cret@a.test:8443/hook?token=s3cret#s3cret",
      hmac: { key: "s3cret" },
      customHeaders: [{ name: "Authorization", value: "s3cret" }],
    });
    await settle();
    posts.open[0]?.answer({ type: "answered", status: 500 });
    await settle();
    assert.deepEqual(
      lines.map((line) => line.level),
      ["debug", "warn"],
    );
    const [debug, warn] = lines.map((line) => line.text);
    for (const part of [
      "dlv_1",
      "alice",
      "session.status",
      "ep_1",
      "https://a.test:8443/hook",
      '"status":500',
      "durationMs",
    ]) {
      assert.ok(debug?.includes(part), part);
    }
    assert.match(warn ?? "", /given up.*answered 500/);
    assert.ok(!lines.some((line) => line.text.includes("s3cret")));
    await dispatcher.stop();
  });
});

describe("a stopping webhook dispatcher", () => {
  it("waits for attempts in flight and claims no more", async () => {
    const { queue, posts, clock, dispatcher } = setUp();
    dispatcher.start();
    queue.push("dlv_1");
    await settle();
    let stopped = false;
    const stop = dispatcher.stop().then(() => {
      stopped = true;
    });
    queue.push("dlv_2");
    await settle();
    assert.equal(stopped, false);
    posts.open[0]?.answer(ok);
    await stop;
    assert.deepEqual(queue.settled, ["dlv_1 done"]);
    assert.equal(queue.claimed, 1);
    assert.equal(clock.pending, 0);
  });

  it("cuts off late attempts and leaves them unsettled", async () => {
    const { queue, posts, clock, dispatcher } = setUp();
    dispatcher.start();
    queue.push("dlv_1");
    queue.push("dlv_2");
    await settle();
    const stop = dispatcher.stop(5000);
    posts.open[0]?.answer({ type: "answered", status: 500 });
    await settle();
    clock.advance(4999);
    assert.equal(posts.open[1]?.signal.aborted, false);
    clock.advance(1);
    await stop;
    assert.deepEqual(queue.settled, ["dlv_1 retry in 2000"]);
  });

  it("settles an answer that arrives with the cut", async () => {
    const queue = new Queue();
    const answeredAnyway = (_: WebhookRequest, signal: AbortSignal) =>
      new Promise<AttemptOutcome>((resolve) => signal.addEventListener("abort", () => resolve(ok)));
    const { clock, dispatcher } = setUp({ outbox: queue, sender: { post: answeredAnyway, close: async () => {} } });
    dispatcher.start();
    queue.push("dlv_1");
    await settle();
    const stop = dispatcher.stop(5000);
    clock.advance(5000);
    await stop;
    assert.deepEqual(queue.settled, ["dlv_1 done"]);
  });

  it("ends in time though the queue accepts no settlement", async () => {
    const { queue, posts, clock, dispatcher } = setUp();
    dispatcher.start();
    queue.push("dlv_1", 0, {}, Array(100).fill(new Error("disk full")));
    await settle();
    posts.open[0]?.answer(ok);
    await settle();
    const stop = dispatcher.stop(1500);
    for (let i = 0; i < 3; i++) {
      clock.advance(500);
      await settle();
    }
    await stop;
    assert.deepEqual([queue.settled, clock.pending], [[], 0]);
  });

  it("stops in every state: idle, reading anew, before its start, and twice", async () => {
    const idle = setUp();
    idle.dispatcher.start();
    idle.dispatcher.start();
    await Promise.all([idle.dispatcher.stop(), idle.dispatcher.stop()]);

    const pausing = setUp({
      outbox: {
        endpoints: async () => [],
        claims: () => {
          throw new Error("disk");
        },
      },
    });
    pausing.dispatcher.start();
    await settle();
    await pausing.dispatcher.stop();
    assert.equal(pausing.clock.pending, 0);

    const unused = setUp();
    await unused.dispatcher.stop();
    unused.queue.push("dlv_1");
    unused.dispatcher.start();
    await settle();
    assert.equal(unused.queue.claimed, 0);
  });
});
