/**
 * Preloaded with `node --import`: sets the wall clock and leaves the monotonic one alone, as setting a machine's time
 * does. SIGUSR2 moves it by the milliseconds in the file named by SET_CLOCK_FILE.
 */
import { readFileSync } from "node:fs";

const file = process.env.SET_CLOCK_FILE ?? "";
const MachineDate = Date;
const shiftMs = () => Number(readFileSync(file, "utf8"));
let setByMs = shiftMs();

globalThis.Date = class extends MachineDate {
  constructor(...parts: [] | [number | string | Date]) {
    super(...((parts.length === 0 ? [MachineDate.now() + setByMs] : parts) as [number]));
  }

  static override now(): number {
    return MachineDate.now() + setByMs;
  }
} as DateConstructor;

process.on("SIGUSR2", () => {
  setByMs = shiftMs();
});
