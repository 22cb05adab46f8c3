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

const { on } = EventEmitter.prototype;
EventEmitter.prototype.on = function withFailures(this: EventEmitter, event, listener) {
  if (event !== "CB:message") return Reflect.apply(on, this, [event, listener]);
  const failing = (...args: readonly unknown[]) => {
    failOnce(senderOf(args[0]));
    return Reflect.apply(listener, this, args);
  };
  return Reflect.apply(on, this, [event, failing]);
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
