/**
 * Cost of NOWEB sessions beside bare Baileys. WhatsApp and its phones run in this process, which is not measured.
 *
 * `node test/bench/sessions.ts [mode: memory, lives, start; all by default] [sessions: 1000]`, or for the settings of a process
 * `node test/bench/sessions.ts memory 1,200,1000 default,semi,arena,jemalloc,tuned`.
 */
import { installFastCurve } from "../../src/adapters/baileys/curve.ts";
import { measureLives } from "./session-lives.ts";
import { measureMemory } from "./session-memory.ts";
import { measureStarts } from "./session-starts.ts";

const [mode = "all", counts = "1000", chosen = "tuned"] = process.argv.slice(2);
const wanted = counts.split(",").map(Number);
const most = Math.max(...wanted);
/** Enough for a collection after they have connected, as after more. */
const few = Math.min(20, most);

// The emulator's phones sign a lot too.
installFastCurve();

const modes: Readonly<Record<string, () => Promise<void>>> = {
  memory: () => measureMemory(wanted.length > 1 ? wanted : [few, most], chosen.split(",")),
  lives: () => measureLives(most),
  start: () => measureStarts(most),
};

if (mode !== "all" && !Object.hasOwn(modes, mode)) throw new Error(`unknown mode ${mode}: use ${Object.keys(modes)}`);
for (const [name, measure] of Object.entries(modes)) if (mode === "all" || mode === name) await measure();
