import type { Engine, EngineOptions, FormerLogins } from "../../ports/engine.ts";
import { installFastCurve } from "./curve.ts";
import { BaileysEngine } from "./engine.ts";
import { installKeyDerivation } from "./key-derivation.ts";
import { installKeyObjects } from "./key-objects.ts";
import { hasLogin, restoreFormerLogin } from "./login.ts";
import { RecentKeys } from "./recent-keys.ts";
import type { Settings } from "./settings.ts";
import { installSignalJobs } from "./signal-jobs.ts";

/** The parts of NOWEB that need Baileys. */
export interface Baileys {
  open(options: EngineOptions): Engine;
  hasLogin: typeof hasLogin;
  restoreFormerLogin: FormerLogins["restore"];
}

/**
 * Size of the slabs that Node cuts small buffers from, 64 KB by default. Each idle session holds some small buffers (its keys, the rest
 * of its last frame), and each of them keeps its whole slab.
 */
const bufferSlabBytes = 1_024;

/**
 * Prepares Baileys for the engines. Changes libsignal, Node's buffer pool and Node's ciphers for the whole process. An import of this
 * file loads the library.
 */
export function prepareBaileys(settings: Settings, fastCurve: boolean): Baileys {
  Buffer.poolSize = bufferSlabBytes;
  installSignalJobs();
  installKeyObjects();
  if (fastCurve) {
    installFastCurve();
    installKeyDerivation();
  }
  const recentKeys = new RecentKeys();
  const open = (options: EngineOptions) =>
    new BaileysEngine(settings, { ...options, credentials: recentKeys.of(options.credentials) });
  return { open, hasLogin, restoreFormerLogin };
}
