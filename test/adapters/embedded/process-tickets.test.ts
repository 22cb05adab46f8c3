import assert from "node:assert/strict";
import { it } from "node:test";
import { ProcessTickets } from "../../../src/adapters/embedded/process-tickets.ts";
import { systemRandom } from "../../../src/adapters/node/system.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const key = { kind: "key", key: "k" } as const;
const login = { kind: "login", secret: "s" } as const;

it("a ticket stands for its credential for a minute", () => {
  const clock = new FakeClock(0);
  const tickets = new ProcessTickets({ clock, random: systemRandom });
  const { ticket, expiresAtMs } = tickets.issue(key);
  const other = tickets.issue(login);
  assert.notEqual(ticket, other.ticket);
  assert.equal(expiresAtMs, 60_000);
  clock.advance(59_999);
  assert.equal(tickets.credentialOf(ticket), key);
  assert.equal(tickets.credentialOf(other.ticket), login);
  assert.equal(tickets.credentialOf("x"), undefined);
  clock.advance(1);
  assert.equal(tickets.credentialOf(ticket), undefined);
});

it("the latest tickets are stored, however many are issued", () => {
  let made = 0;
  const tickets = new ProcessTickets({ clock: new FakeClock(), random: { hex: () => String(made++) } });
  for (let n = 0; n < 20_000; n += 1) tickets.issue(key);
  assert.equal(tickets.credentialOf("0"), undefined);
  assert.equal(tickets.credentialOf("19999"), key);
});
