import { createRequire } from "node:module";

/** Loads a module of the libsignal that Baileys uses, by its path: "libsignal/src/curve.js". */
export function libsignalPart(path: string): unknown {
  return baileysRequire()(path);
}

/** Loads a package as libsignal resolves it. */
export function libsignalDependency(name: string): unknown {
  return createRequire(baileysRequire().resolve("libsignal/src/curve.js"))(name);
}

const baileysRequire = () => createRequire(createRequire(import.meta.url).resolve("@whiskeysockets/baileys"));
