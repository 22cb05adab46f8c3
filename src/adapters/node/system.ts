import { randomBytes } from "node:crypto";
import type { Clock, Random } from "../../ports/system.ts";

/** Longest delay of a Node timer, which has 31 bits. A timer with a longer one fires at once. */
const maxTimerMs = 2 ** 31 - 1;

/** Monotonic time at the start of the process: the wall clock's time then, or later. */
let originMs = Date.now() - performance.now();
const monotonicMs = () => Math.floor(originMs + performance.now());

/** Smaller changes of the difference between the clocks are rounding or drift, and do not change the times shown to users. */
const driftToleranceMs = 500;
/** Lead of the wall clock over the monotonic clock, ignoring drift. */
let leadMs = 0;

function wallMsAt(atMs: number): number {
  const nowLeadMs = Date.now() - monotonicMs();
  if (Math.abs(nowLeadMs - leadMs) > driftToleranceMs) leadMs = nowLeadMs;
  return atMs + leadMs;
}

/** Clock of the machine, with Node's timers. */
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

/** Digits of Crockford's base 32, without I, L, O and U (ULID specification, github.com/ulid/spec). */
const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const ulidLength = 26;
const randomnessBytes = 10;
const randomnessBits = BigInt(randomnessBytes * 8);

const poolBytes = 4096;
let pool = Buffer.alloc(0);

/** Draws random bytes from a pool, each used once. Filling the pool costs little more than drawing a few bytes. */
function drawBytes(bytes: number): Buffer {
  if (bytes > poolBytes) return randomBytes(bytes);
  if (pool.length < bytes) pool = randomBytes(poolBytes);
  const part = pool.subarray(0, bytes);
  pool = pool.subarray(bytes);
  return part;
}

/** The operating system's randomness. ULIDs increase from call to call, also within 1 ms and when the clock is set back. */
export const systemRandom: Random = {
  ulid: createUlidSource(),
  hex: (bytes) => drawBytes(bytes).toString("hex"),
  // 48 bits fit a double, so that the result is never rounded to 1.
  unit: () => drawBytes(6).readUIntBE(0, 6) / 2 ** 48,
};

function createUlidSource(): Random["ulid"] {
  let last = -1n;
  return (nowMs) => {
    const time = BigInt(Math.trunc(nowMs));
    const fresh = (time << randomnessBits) | BigInt(`0x${drawBytes(randomnessBytes).toString("hex")}`);
    last = time > last >> randomnessBits ? fresh : last + 1n;
    return encodeCrockford(last);
  };
}

function encodeCrockford(value: bigint): string {
  let text = "";
  for (const digit of value.toString(32)) text += digits.charAt(Number.parseInt(digit, 32));
  return text.padStart(ulidLength, "0");
}
