/**
 * Times of a cluster of three nodes, at its real times: a node's death, its orderly end, and a commit on its way to a
 * stream of another node. Node, PostgreSQL, WhatsApp and receiver share this machine.
 *
 *   node test/bench/failover.ts [--rows=stream,forwarding,kill,drain] [--sessions=20]
 */

import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Crowd } from "../cluster/crowd.ts";
import { Rig } from "../cluster/rig.ts";
import type { RigNode } from "../cluster/rig-node.ts";
import { Witness } from "../cluster/witness.ts";
import { percentile } from "../support/percentile.ts";
import { print } from "./session-goals.ts";

const { values } = parseArgs({
  options: {
    rows: { type: "string", default: "stream,forwarding,kill,drain" },
    sessions: { type: "string", default: "20" },
  },
});
const rows = new Set(values.rows.split(","));
const sessions = Number(values.sessions);
const [killGoalMs, handOffGoalMs, streamP50GoalMs, streamP99GoalMs, forwardGoalMs] = [11_000, 2_000, 5, 50, 3];
const changes = 200;
const calls = 500;
/** Time for the last events to come, ms. */
const streamLimitMs = 10_000;

await using rig = await Rig.open({
  nodes: 3,
  timeScale: 1,
  hasLinks: false,
  postgres: ["track_commit_timestamp=on"],
  env: { SESSIOND_CONNECTS_PER_SECOND: "20" },
});
const witness = new Witness(rig.whatsapp);
const crowd = await Crowd.open(rig, sessions, true);
const [first, second, third] = rig.nodes as readonly [RigNode, RigNode, RigNode];

if (rows.has("stream")) await measureStream();
if (rows.has("forwarding")) await measureForwarding();
if (rows.has("kill")) await measureEnd("kill -9 to WORKING", first, "SIGKILL", killGoalMs);
if (rows.has("drain")) await measureEnd("hand-off at SIGTERM", second, "SIGTERM", handOffGoalMs);

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

/** Sends messages to a session, and reads their events on another node's stream. Compares the times at which they were committed. */
async function measureStream(): Promise<void> {
  const { name, other } = await someSession();
  const phone = crowd.phones.get(name);
  if (!phone) throw new Error(`${name} has no phone`);
  const seen = new Map<string, number>();
  const ages: number[] = [];
  const reading = (async () => {
    for await (const item of other.rest.stream("/api/events?names=message")) {
      // Heartbeats are no events.
      if (!item.event) continue;
      const nowMs = performance.timeOrigin + performance.now();
      seen.set(String(item.event.id), nowMs);
      ages.push(nowMs - Date.parse(String(item.event.time)));
      if (ages.length === changes) return;
    }
  })();
  // Ends with the node, if events are missing.
  reading.catch(() => {});
  const bob = rig.whatsapp.phone();
  for (let i = 0; i < changes; i += 1) {
    await bob.sendTextTo(phone, `text ${i}`);
    await delay(20);
  }
  await Promise.race([reading, delay(streamLimitMs)]);
  if (ages.length < changes)
    console.log(`${changes - ages.length} of ${changes} events did not come within ${streamLimitMs} ms`);
  const commits = await rig.audit.query<{ id: string; ms: number }>(
    "SELECT id, (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000)::float8 AS ms FROM sessiond.event",
  );
  const ways = commits.flatMap(({ id, ms }) => (seen.has(id) ? [(seen.get(id) ?? 0) - ms] : []));
  console.log(`from an event to its commit and another node's stream: p50 ${percentile(ages, 0.5).toFixed(1)} ms`);
  print("commit to another node's stream, p50, ms", percentile(ways, 0.5), streamP50GoalMs);
  print("commit to another node's stream, p99, ms", percentile(ways, 0.99), streamP99GoalMs);
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
  for (const [key, list] of Object.entries(times)) {
    console.log(`a call, ${key}: p50 ${percentile(list, 0.5).toFixed(2)}, p99 ${percentile(list, 0.99).toFixed(2)} ms`);
  }
  print("a forwarded call beside one at the owner, p50, ms", added, forwardGoalMs);
}

async function someSession(): Promise<{ name: string; owner: RigNode; other: RigNode }> {
  const owners = await rig.audit.placement();
  const [name = ""] = [...crowd.phones.keys()].filter((session) => owners.get(session) === third.name);
  return { name, owner: third, other: first };
}
