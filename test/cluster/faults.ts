import { setTimeout as delay } from "node:timers/promises";
import type { SeededRandom } from "../support/seeded-random.ts";
import type { Direction } from "../support/tcp-link.ts";
import type { Rig } from "./rig.ts";
import type { RigNode } from "./rig-node.ts";

const kinds = ["kill", "pause", "hold", "cut", "peers", "postgres", "drain"] as const;

/** A kind of fault. */
export type FaultKind = (typeof kinds)[number];

/** A fault that a seed has planned. */
export interface Fault {
  readonly kind: FaultKind;
  /** Position of the node; it does not matter for PostgreSQL. */
  readonly node: number;
  /** Direction of the link that is held; undefined: both. */
  readonly direction: Direction | undefined;
  /** Its length at a time scale of 1, ms. */
  readonly lengthMs: number;
  /** Time before it begins, ms. */
  readonly waitMs: number;
  /** True if it begins while the one before it lasts. */
  readonly isOverlapping: boolean;
}

/** A fault that has happened. Times are Unix times, ms. */
export interface PastFault {
  readonly kind: FaultKind;
  /** Name of the node; undefined: PostgreSQL. */
  readonly node: string | undefined;
  readonly startMs: number;
  /** Time when its repair began, and when it was over: a node can be in order before that. Infinite until then. */
  healMs: number;
  endMs: number;
}

/** Lengths at a time scale of 1, ms. */
const lengths: Readonly<Record<FaultKind, readonly [low: number, high: number]>> = {
  kill: [0, 14_000],
  pause: [3_000, 20_000],
  hold: [1_000, 20_000],
  cut: [1_000, 20_000],
  peers: [1_000, 10_000],
  postgres: [0, 16_000],
  drain: [0, 6_000],
};

/** Returns the faults of a seed. At most two overlap, on different nodes. */
export function planFaults(random: SeededRandom, count: number, nodes: number): readonly Fault[] {
  const faults: Fault[] = [];
  for (let i = 0; i < count; i += 1) {
    const kind = random.pick(kinds);
    const before = faults.at(-1);
    const others = Array.from({ length: nodes }, (_, n) => n).filter((n) => n !== before?.node);
    const isOverlapping =
      before?.isOverlapping === false && others.length > 0 && random.chance(0.3) && before.kind !== kind;
    faults.push({
      kind,
      node: isOverlapping ? random.pick(others) : Math.floor(random.next() * nodes),
      direction: random.pick([undefined, "forth", "back"]),
      lengthMs: random.between(...lengths[kind]),
      waitMs: random.between(100, 1_500),
      isOverlapping,
    });
  }
  return faults;
}

/** Carries out the faults. Resolves when all of them are over; the last entry that it adds to `past` is the latest. */
export async function carryOut(rig: Rig, faults: readonly Fault[], past: PastFault[]): Promise<void> {
  const lasting = new Set<Promise<void>>();
  for (const fault of faults) {
    if (!fault.isOverlapping) await Promise.all(lasting);
    await delay(fault.waitMs);
    const work = strike(rig, fault, past).finally(() => lasting.delete(work));
    lasting.add(work);
  }
  await Promise.all(lasting);
}

async function strike(
  rig: Rig,
  { kind, node: position, direction, lengthMs }: Fault,
  past: PastFault[],
): Promise<void> {
  const node = rig.nodes[position];
  if (!node) throw new Error(`the rig has no node ${position}`);
  const fault: PastFault = {
    kind,
    node: kind === "postgres" ? undefined : node.name,
    startMs: Date.now(),
    healMs: Number.POSITIVE_INFINITY,
    endMs: Number.POSITIVE_INFINITY,
  };
  past.push(fault);
  const lasts = async () => {
    await delay(lengthMs * rig.timeScale);
    fault.healMs = Date.now();
  };
  const strikes: Readonly<Record<FaultKind, () => Promise<void>>> = {
    kill: () => rig.whileDown(node, "SIGKILL", lasts),
    drain: () => rig.whileDown(node, "SIGTERM", lasts),
    async pause() {
      node.isUp = false;
      node.process.pause();
      await lasts();
      node.process.resume();
      node.isUp = true;
    },
    hold: () => throughLink(node, "store", (link) => link.hold(direction), lasts),
    cut: () => throughLink(node, "store", (link) => link.cut(), lasts),
    peers: () => throughLink(node, "peers", (link) => (direction ? link.hold(direction) : link.cut()), lasts),
    async postgres() {
      await rig.postgres.kill();
      await lasts();
      await rig.postgres.start();
    },
  };
  await strikes[kind]();
  fault.endMs = Date.now();
}

async function throughLink(
  node: RigNode,
  name: "store" | "peers",
  harm: (link: RigNode["store"]) => void,
  lasts: () => Promise<void>,
): Promise<void> {
  harm(node[name]);
  await lasts();
  node[name].pass();
}
