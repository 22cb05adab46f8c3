/**
 * Times of a cluster of three nodes with 20 sessions, at its real times: a node's death, its orderly end, and a commit on its way to a
 * stream of another node. Node, PostgreSQL, WhatsApp and receiver share this machine.
 */

import { Crowd } from "../cluster/crowd.ts";
import { Rig } from "../cluster/rig.ts";
import type { RigNode } from "../cluster/rig-node.ts";
import { Witness } from "../cluster/witness.ts";
import { percentile } from "../support/percentile.ts";
import { createSeededRandom } from "../support/seeded-random.ts";
import { print } from "./session-goals.ts";

const sessions = 20;
const [killGoalMs, handOffGoalMs, streamP50GoalMs, streamP99GoalMs, forwardGoalMs] = [11_000, 2_000, 5, 50, 3];
const changes = 200;
const calls = 500;

await using rig = await Rig.open({ nodes: 3, timeScale: 1, env: { SESSIOND_CONNECTS_PER_SECOND: "20" } });
const witness = new Witness(rig.whatsapp);
const crowd = await Crowd.open(rig, createSeededRandom(1), sessions, false);
const [first, second, third] = rig.nodes as readonly [RigNode, RigNode, RigNode];

await measureStream();
await measureForwarding();
await measureEnd("kill -9 to WORKING", first, "SIGKILL", killGoalMs);
await measureEnd("hand-off at SIGTERM", second, "SIGTERM", handOffGoalMs);

/** Ends a node, waits until its sessions are online on other nodes, and starts it again. */
async function measureEnd(what: string, node: RigNode, signal: "SIGKILL" | "SIGTERM", goalMs: number): Promise<void> {
  const owners = await rig.audit.placement();
  const moving = [...crowd.phones].filter(([name]) => owners.get(name) === node.name);
  const devices = new Set(moving.flatMap(([, { devices }]) => devices));
  const before = witness.gaps.length;
  const gaps = () => witness.gaps.slice(before).filter(({ device }) => devices.has(device));
  const startMs = Date.now();
  await rig.whileDown(node, signal, async () => {
    await rig.whatsapp.until(() => gaps().length >= devices.size, `${devices.size} sessions`);
  });
  // A node that was killed stops all at once; one that ends in order closes each in turn.
  const lengths = gaps().map((gap) => gap.endMs - (signal === "SIGKILL" ? startMs : gap.startMs));
  console.log(`${what}: ${lengths.length} sessions, p50 ${percentile(lengths, 0.5)} ms`);
  print(`${what}, p99, ms`, percentile(lengths, 0.99), goalMs);
}

/** Changes a session on its owner, and waits for the event on another node's stream. */
async function measureStream(): Promise<void> {
  const { name, owner, other } = await someSession();
  const arrivals = new Map<string, PromiseWithResolvers<number>>();
  const arrivalOf = (id: string) => {
    const arrival = arrivals.get(id) ?? Promise.withResolvers<number>();
    arrivals.set(id, arrival);
    return arrival;
  };
  const read = async () => {
    for await (const item of other.rest.stream("/api/events?names=message"))
      arrivalOf(String(item.id)).resolve(performance.now());
  };
  read().catch(() => {});
  const commits: Promise<number>[] = [];
  const readOwn = async () => {
    for await (const item of owner.rest.stream("/api/events?names=message")) {
      const atMs = performance.now();
      commits.push(arrivalOf(String(item.id)).promise.then((seenMs) => seenMs - atMs));
    }
  };
  readOwn().catch(() => {});
  const bob = rig.whatsapp.phone();
  const phone = crowd.phones.get(name);
  if (!phone) throw new Error(`${name} has no phone`);
  for (let i = 0; i < changes; i += 1) {
    await bob.sendTextTo(phone, `text ${i}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  while (commits.length < changes * 0.95) await new Promise((resolve) => setTimeout(resolve, 50));
  const times = await Promise.all(commits);
  print("commit to another node's stream beside the own one, p50, ms", percentile(times, 0.5), streamP50GoalMs);
  print("commit to another node's stream beside the own one, p99, ms", percentile(times, 0.99), streamP99GoalMs);
}

/** Gives the owner and another node a command that changes nothing, in turn. */
async function measureForwarding(): Promise<void> {
  const { name, owner, other } = await someSession();
  const times: Record<"own" | "other", number[]> = { own: [], other: [] };
  for (let i = 0; i < calls; i += 1) {
    for (const [key, { rest }] of Object.entries({ own: owner, other }) as ["own" | "other", RigNode][]) {
      const startMs = performance.now();
      const { status } = await rest.post(`/api/sessions/${name}/start`);
      if (status === 201) times[key].push(performance.now() - startMs);
    }
  }
  if (times.other.length < calls) console.log(`${calls - times.other.length} of ${calls} calls at another node failed`);
  const added = percentile(times.other, 0.5) - percentile(times.own, 0.5);
  print("a forwarded call beside one at the owner, p50, ms", added, forwardGoalMs);
}

async function someSession(): Promise<{ name: string; owner: RigNode; other: RigNode }> {
  const owners = await rig.audit.placement();
  const [name = ""] = [...crowd.phones.keys()].filter((session) => owners.get(session) === third.name);
  return { name, owner: third, other: first };
}
