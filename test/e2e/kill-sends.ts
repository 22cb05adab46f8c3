import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type { RestClient } from "./rest-client.ts";
import type { ServerProcess } from "./server-process.ts";

/** A phone that the session "alice" sends to. */
export interface Recipient {
  readonly number: string;
  readonly shown: readonly { readonly id: string }[];
}

/** A server that is killed while its session "alice" sends. */
export interface KillScenario {
  readonly rest: RestClient;
  readonly server: ServerProcess;
  readonly phones: readonly Recipient[];
  readonly kills: number;
  /** Returns how long the server lives until the next kill. */
  lifeMs(): number;
  /** Resolves once the condition holds; rejects after a while. */
  until(condition: () => boolean): Promise<unknown>;
  onKill?(killed: number): void;
}

/** Asserts that each phone shows every accepted message once, in the order of their acceptance. */
export async function assertSendsSurviveKills(scenario: KillScenario): Promise<void> {
  const { rest, server, phones, kills, lifeMs, until, onKill } = scenario;
  const ending = new AbortController();
  const accepted = new Map<Recipient, string[]>(phones.map((phone) => [phone, []]));
  /** Sends one message after another to a phone, each until the server has accepted it. */
  const write = async (phone: Recipient): Promise<void> => {
    const ids = accepted.get(phone) ?? [];
    for (let i = 0; !ending.signal.aborted; i++) {
      const id = `${phone.number}.${i}`;
      const message = { session: "alice", chatId: `${phone.number}@c.us`, text: `text ${i}`, id };
      const send = () =>
        rest.call("POST", "/api/sendText", message, { prefer: "respond-async" }).catch(() => undefined);
      for (let answer = await send(); (answer?.status ?? 500) >= 300; answer = await send()) {
        assert.ok(!answer || answer.status >= 500, JSON.stringify(answer?.body));
        await delay(20);
      }
      ids.push(id);
      // A backlog would only make the test longer.
      while (ids.length - phone.shown.length > 10 && !ending.signal.aborted) await delay(20);
      await delay(Math.random() * 60);
    }
  };
  const writers = phones.map(write);
  for (let killed = 1; killed <= kills; killed++) {
    await delay(lifeMs());
    await server.kill("SIGKILL");
    await server.restart();
    onKill?.(killed);
  }
  ending.abort();
  await Promise.all(writers);
  for (const phone of phones) {
    const ids = accepted.get(phone) ?? [];
    await until(() => phone.shown.length >= ids.length).catch(() => {});
    assert.deepEqual(
      phone.shown.map(({ id }) => id),
      ids,
    );
  }
}
