/**
 * Preloaded with `node --import`: makes Baileys' message callback fail in the way that the sender's name says. Fails
 * once per way and working directory, because WhatsApp sends the message again.
 */
import { EventEmitter } from "node:events";
import { existsSync, writeFileSync } from "node:fs";

const failures: Record<string, () => void> = {
  Thrower: () =>
    setTimeout(() => {
      throw new Error("thrown in a callback");
    }),
  Rejecter: () => void Promise.reject(new Error("rejected in a callback")),
  Looper: function loopForEver() {
    for (;;);
  },
};

const { emit } = EventEmitter.prototype;
EventEmitter.prototype.emit = function withFailures(this: EventEmitter, event, ...args: readonly unknown[]) {
  if (event === "CB:message") failOnce(senderOf(args[0]));
  return Reflect.apply(emit, this, [event, ...args]);
};

function failOnce(sender: string): void {
  const fail = failures[sender];
  if (!fail || existsSync(sender)) return;
  writeFileSync(sender, "");
  fail();
}

const senderOf = (stanza: unknown): string => {
  const attributes: unknown = Reflect.get(Object(stanza), "attrs");
  return String(Reflect.get(Object(attributes), "notify"));
};
