import assert from "node:assert/strict";
import type { LookupAddress } from "node:dns";
import { Socket } from "node:net";
import { describe, it } from "node:test";
import { describeAddress, parseAllowList } from "../../../src/adapters/undici/address.ts";
import { connectToFirst } from "../../../src/adapters/undici/address-race.ts";
import type { Resolve } from "../../../src/adapters/undici/ssrf-guard.ts";
import { createWebhookSender } from "../../../src/adapters/undici/webhook.ts";
import type { AttemptOutcome } from "../../../src/domain/delivery.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { openReceiver } from "../../support/webhook-receiver.ts";

const v4 = (address: string): LookupAddress => ({ address, family: 4 });
const v6 = (address: string): LookupAddress => ({ address, family: 6 });

/** Outcome of a webhook to a name with these addresses. */
async function post(port: number, addresses: LookupAddress[], guarded: boolean): Promise<AttemptOutcome> {
  const resolve: Resolve = (_, callback) => callback(null, addresses);
  const guard = { allow: parseAllowList(["127.0.0.0/8"]), resolve };
  const sender = createWebhookSender({ clock: new FakeClock(), resolve, ...(guarded && { guard }) });
  const request = { url: `http://both.test:${port}/`, headers: {}, body: new Uint8Array(), timeoutMs: 30_000 };
  try {
    return await sender.post(request, new AbortController().signal);
  } finally {
    await sender.close();
  }
}

/** A port on which nothing listens, at any address. */
async function closedPort(): Promise<number> {
  await using receiver = await openReceiver();
  return receiver.port;
}

for (const guarded of [false, true]) {
  describe(`a receiver with several addresses, ${guarded ? "guarded" : "without a guard"}`, () => {
    it("is reached at the one that answers", async () => {
      await using receiver = await openReceiver();
      const addresses = [v4("127.0.0.2"), v4("127.0.0.3"), v4("127.0.0.1")];
      assert.deepEqual(await post(receiver.port, addresses, guarded), { type: "answered", status: 200 });
    });

    it("has the error of each in the reason if none answers", async () => {
      const error = "connection refused (127.0.0.2), connection refused (127.0.0.3)";
      assert.deepEqual(await post(await closedPort(), [v4("127.0.0.2"), v4("127.0.0.3")], guarded), {
        type: "failed",
        error,
      });
    });

    it("has no address in the reason if it has only one", async () => {
      const outcome = await post(await closedPort(), [v4("127.0.0.2")], guarded);
      assert.deepEqual(outcome, { type: "failed", error: "connection refused" });
    });

    it("has at most four addresses in the reason", async () => {
      const addresses = Array.from({ length: 7 }, (_, n) => v4(`127.0.0.${n + 2}`));
      const outcome = await post(await closedPort(), addresses, guarded);
      assert.match(
        outcome.type === "failed" ? outcome.error : "",
        /^(connection refused \(127.0.0.\d\), ){4}and 3 more$/,
      );
    });
  });
}

describe("an address in an error", () => {
  for (const [address, shown] of [
    ["93.184.216.34", "93.184.216.34"],
    ["2606:2800:220:1::1", "2606:2800:220:1::1"],
    ["127.0.0.1", "127.0.0.1"],
    ["::1", "::1"],
    ["10.0.0.7", "IPv4"],
    ["192.168.1.1", "IPv4"],
    ["169.254.169.254", "IPv4"],
    ["fd00::7", "IPv6"],
    ["::ffff:10.0.0.7", "IPv6"],
    ["fe80::1%eth0", "IPv6"],
  ] as const) {
    it(`is ${shown} for ${address}`, () => assert.equal(describeAddress(address), shown));
  }
});

/** A race on a stopped clock. Each address connects or fails when the test says so. */
function race(...addresses: LookupAddress[]) {
  const clock = new FakeClock();
  const begun: string[] = [];
  const cancelled: string[] = [];
  const settlers = new Map<string, PromiseWithResolvers<Socket>>();
  const open = ({ address }: LookupAddress) => {
    const settler = Promise.withResolvers<Socket>();
    begun.push(address);
    settlers.set(address, settler);
    return { socket: settler.promise, cancel: () => void cancelled.push(address) };
  };
  const won = connectToFirst(addresses, open, clock);
  const fail = async (address: string, code: string) => {
    settlers.get(address)?.reject(Object.assign(new Error(code), { code }));
    await new Promise(setImmediate);
  };
  return { clock, begun, cancelled, settlers, won, fail };
}

describe("connecting to several addresses", () => {
  it("starts the next after 250 ms without ending the others", async () => {
    const { clock, begun, cancelled, settlers, won } = race(v6("2001::1"), v4("1.1.1.1"), v4("1.1.1.2"));
    assert.deepEqual(begun, ["2001::1"]);
    clock.advance(249);
    assert.equal(begun.length, 1);
    clock.advance(1);
    assert.deepEqual(begun, ["2001::1", "1.1.1.1"]);
    clock.advance(5_000);
    assert.deepEqual([begun.length, cancelled.length], [3, 0]);
    const socket = new Socket();
    settlers.get("2001::1")?.resolve(socket);
    assert.equal(await won, socket);
    assert.deepEqual(cancelled, ["1.1.1.1", "1.1.1.2"]);
    assert.equal(clock.pending, 0);
  });

  it("starts the next at once after a failure", async () => {
    const { clock, begun, settlers, won, fail } = race(v4("1.1.1.1"), v6("2001::1"));
    await fail("1.1.1.1", "ECONNREFUSED");
    assert.deepEqual(begun, ["1.1.1.1", "2001::1"]);
    const socket = new Socket();
    settlers.get("2001::1")?.resolve(socket);
    assert.equal(await won, socket);
    assert.equal(clock.pending, 0);
  });

  it("alternates the two families", async () => {
    const { clock, begun, fail, won } = race(v6("2001::1"), v6("2001::2"), v6("2001::3"), v4("1.1.1.1"), v4("1.1.1.2"));
    clock.advance(10_000);
    assert.deepEqual(begun, ["2001::1", "1.1.1.1", "2001::2", "1.1.1.2", "2001::3"]);
    const failed = assert.rejects(won, /no address connected/);
    for (const address of begun) await fail(address, "ETIMEDOUT");
    await failed;
  });

  it("fails only after all have failed", async () => {
    const { clock, won, fail } = race(v6("2001::1"), v4("1.1.1.1"));
    clock.advance(250);
    let isOver = false;
    const failed = won.catch(() => (isOver = true));
    await fail("1.1.1.1", "ECONNREFUSED");
    assert.equal(isOver, false);
    await fail("2001::1", "ENETUNREACH");
    await failed;
    assert.equal(isOver, true);
  });
});

describe("a receiver whose first address is silent", () => {
  it("is reached at the next without a timeout of the first", async () => {
    await using receiver = await openReceiver();
    const clock = new FakeClock();
    // Nothing answers in the documentation block. If the network refuses it at once, the next address follows at once.
    const resolve: Resolve = (_, callback) => callback(null, [v4("192.0.2.1"), v4("127.0.0.1")]);
    const sender = createWebhookSender({ clock, resolve });
    const request = {
      url: `http://both.test:${receiver.port}/`,
      headers: {},
      body: new Uint8Array(),
      timeoutMs: 30_000,
    };
    const outcome = sender.post(request, new AbortController().signal);
    await new Promise(setImmediate);
    clock.advance(250);
    assert.deepEqual(await outcome, { type: "answered", status: 200 });
    await sender.close();
  });
});
