import { randomBytes } from "node:crypto";
import type { Clock, Random } from "../../ports/system.ts";

/** The longest wait one Node timer can do: it keeps its delay in 31 bits and fires at once beyond. */
const maxTimerMs = 2 ** 31 - 1;

/** Where the monotonic clock stood when the process began: at the wall clock's time then, or further. */
let originMs = Date.now() - performance.now();
const monotonicMs = () => Math.floor(originMs + performance.now());

/** A smaller change of the distance between the two clocks is rounding or drift, and does not move the times that people read. */
const driftToleranceMs = 500;
/** How far the wall clock is ahead of the monotonic clock, as of the last change that counted. */
let leadMs = 0;

function wallMsAt(atMs: number): number {
  const nowLeadMs = Date.now() - monotonicMs();
  if (Math.abs(nowLeadMs - leadMs) > driftToleranceMs) leadMs = nowLeadMs;
  return atMs + leadMs;
}

/** The machine's time and Node's timers. */
export const systemClock: Clock = {
  nowMs: monotonicMs,
  wallMs: () => Date.now(),
  wallMsAt,
  continueFrom(atMs) {
    originMs += Math.max(0, atMs - monotonicMs());
  },
  schedule(delayMs, callback) {
    const dueMs = performance.now() + delayMs;
    let timer: NodeJS.Timeout;
    const wait = (leftMs: number) => {
      timer = setTimeout(
        () => {
          if (leftMs > maxTimerMs) wait(dueMs - performance.now());
          else callback();
        },
        Math.min(leftMs, maxTimerMs),
      );
    };
    wait(delayMs);
    return () => clearTimeout(timer);
  },
};

/** Crockford's base 32: no I, L, O or U (the ULID specification, github.com/ulid/spec). */
const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const ulidLength = 26;
const randomnessBytes = 10;
const randomnessBits = BigInt(randomnessBytes * 8);

const poolBytes = 4096;
let pool = Buffer.alloc(0);

/** Random bytes, each given out once: a call for many costs hardly more than one for few. */
function randomPart(bytes: number): Buffer {
  if (pool.length < bytes) pool = randomBytes(poolBytes);
  const part = pool.subarray(0, bytes);
  pool = pool.subarray(bytes);
  return part;
}

/** The operating system's randomness. ULIDs grow from call to call, within a millisecond and when the clock goes back too. */
export const systemRandom: Random = {
  ulid: monotonicUlid(),
  hex: (bytes) => randomBytes(bytes).toString("hex"),
  // 48 bits: as many as a double holds without rounding up to 1.
  unit: () => randomPart(6).readUIntBE(0, 6) / 2 ** 48,
};

function monotonicUlid(): Random["ulid"] {
  let last = -1n;
  return (nowMs) => {
    const time = BigInt(Math.trunc(nowMs));
    const fresh = (time << randomnessBits) | BigInt(`0x${randomPart(randomnessBytes).toString("hex")}`);
    last = time > last >> randomnessBits ? fresh : last + 1n;
    return crockford(last);
  };
}

function crockford(value: bigint): string {
  let text = "";
  for (const digit of value.toString(32)) text += digits.charAt(Number.parseInt(digit, 32));
  return text.padStart(ulidLength, "0");
}
