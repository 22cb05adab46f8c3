import assert from "node:assert/strict";
import { test } from "node:test";
import { systemRandom } from "../../src/adapters/node/system.ts";
import { StreamTickets } from "../../src/api/stream-tickets.ts";

test("a ticket stands for its key for a minute; others for none", () => {
  let nowMs = 0;
  const tickets = new StreamTickets({ nowMs: () => nowMs, randomHex: (bytes) => systemRandom.hex(bytes) });
  const { ticket, expiresAtMs } = tickets.issue("key");
  const other = tickets.issue("");
  assert.notEqual(ticket, other.ticket);
  assert.equal(expiresAtMs, 60_000);
  nowMs = 59_999;
  assert.equal(tickets.keyOf(ticket), "key");
  assert.equal(tickets.keyOf(other.ticket), "");
  assert.equal(tickets.keyOf("x"), undefined);
  nowMs = 60_000;
  assert.equal(tickets.keyOf(ticket), undefined);
});

test("however many are made, the latest of them are kept", () => {
  let made = 0;
  const tickets = new StreamTickets({ nowMs: () => 0, randomHex: () => String(made++) });
  for (let n = 0; n < 20_000; n += 1) tickets.issue("key");
  assert.equal(tickets.keyOf("0"), undefined);
  assert.equal(tickets.keyOf("19999"), "key");
});
