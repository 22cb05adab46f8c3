import type { LoggedEvent, OwnerChange } from "./audit.ts";
import type { Crowd } from "./crowd.ts";
import type { PastFault } from "./faults.ts";
import type { Follower } from "./follower.ts";
import type { Rig } from "./rig.ts";
import type { SentStanza, Witness } from "./witness.ts";

/** Everything that judges look at. */
export interface Evidence {
  readonly rig: Rig;
  readonly crowd: Crowd;
  readonly witness: Witness;
  readonly followers: readonly Follower[];
  /** Position in the log that they have waited for. */
  readonly endSeq: bigint;
  readonly faults: readonly PastFault[];
}

/** Times of the design at a time scale of 1, ms. */
const [beatMs, freezeMs, fenceMs] = [2_000, 6_000, 8_000];
/** Time between a stanza's way through the check and its arrival here, on a machine that is busy. */
const transitMs = 300;
/** Deliveries of one session's endpoint that may be in flight. */
const slotsPerSession = 1;

/** Returns a sentence for each promise that was broken. */
export async function judge(evidence: Evidence): Promise<readonly string[]> {
  const { rig } = evidence;
  const owners = await rig.audit.owners();
  const logged = await rig.audit.events();
  return [
    ...evidence.crowd.complaints,
    ...rig.whatsapp.faults.map((fault) => `WhatsApp met a fault: ${fault}`),
    ...(await rig.audit.violations()).map((row) => `the database saw ${row}`),
    ...judgeConflicts(evidence),
    ...judgeStanzas(evidence, owners),
    ...judgeSilence(evidence),
    ...judgeMessages(evidence, await rig.audit.backlog()),
    ...judgeStatuses(evidence),
    ...judgeOrder(evidence, logged),
    ...judgeRepeats(evidence),
    ...judgeFollowers(evidence, logged),
  ];
}

/** One connection per device: a second one only beside that of a node that is suspended, once per fault. */
function judgeConflicts({ rig, crowd, witness, faults }: Evidence): string[] {
  const excused = new Set<string>();
  const all = [...faults, ...stallsOf(rig)];
  return witness.conflicts.flatMap(({ device, from, to, atMs }) => {
    const name = nameOf(crowd, device) ?? device.jid;
    const fault = all.find((one) => {
      const sinceMs = silentSinceMs(one, all, rig.timeScale);
      const [fromMs, untilMs] = [fenceMs - 2 * beatMs, 2 * fenceMs].map((ms) => ms * rig.timeScale) as [number, number];
      const isSuspension = ["pause", "hold", "cut"].includes(one.kind) && one.node === from;
      return isSuspension && sinceMs + fromMs < atMs && atMs < one.endMs + untilMs;
    });
    const excuse = fault && `${name} ${all.indexOf(fault)}`;
    if (excuse && from !== to && !excused.has(excuse)) {
      excused.add(excuse);
      return [];
    }
    return [`${name} had two connections: ${from} and ${to} at ${atMs}, ${describe(faults)}`];
  });
}

/** Returns the times in which nodes were suspended by a machine that was too busy, as their watchdogs have told. */
function stallsOf({ nodes }: Rig): PastFault[] {
  return nodes.flatMap(({ name, process }) =>
    process.log.flatMap((line): PastFault[] => {
      if (!line.includes('"the event loop turns again"')) return [];
      const { time, blockedMs } = JSON.parse(line) as { time: string; blockedMs: number };
      const endMs = Date.parse(time);
      return [{ kind: "pause", node: name, startMs: endMs - blockedMs, healMs: endMs, endMs }];
    }),
  );
}

/** Returns the time of a fault's start, or that of PostgreSQL's if the node could hardly beat between the two. */
function silentSinceMs({ startMs }: PastFault, faults: readonly PastFault[], timeScale: number): number {
  const outage = faults.find(
    ({ kind, startMs: outMs, endMs }) =>
      kind === "postgres" && outMs < startMs && startMs < endMs + 2 * beatMs * timeScale,
  );
  return outage?.startMs ?? startMs;
}

/** A node sends nothing for sessions of another node. */
function judgeStanzas({ crowd, witness, faults }: Evidence, owners: readonly OwnerChange[]): string[] {
  const changes = Map.groupBy(owners, ({ session }) => session);
  const wrong = witness.stanzas.filter(({ device, node, afterMs, atMs }) => {
    const name = nameOf(crowd, device);
    const known = name === undefined ? [] : (changes.get(name) ?? []);
    const before = known.filter((change) => change.atMs <= afterMs - transitMs).at(-1);
    const around = known.filter((change) => afterMs - transitMs < change.atMs && change.atMs < atMs + transitMs);
    return before !== undefined && ![before, ...around].some((change) => change.node === node);
  });
  return wrong.map((stanza) => `${told(crowd, stanza)} without owning it, ${describe(faults)}`);
}

/** A node that has not reached PostgreSQL for a while sends nothing. */
function judgeSilence({ rig, crowd, witness, faults }: Evidence): string[] {
  return faults.flatMap(({ kind, node, startMs, healMs }) => {
    if (!["hold", "cut", "postgres"].includes(kind)) return [];
    const fromMs = startMs + freezeMs * rig.timeScale + transitMs;
    const wrong = witness.stanzas.filter(
      (stanza) => (node ?? stanza.node) === stanza.node && stanza.afterMs > fromMs && stanza.atMs < healMs,
    );
    return wrong.map((stanza) => `${told(crowd, stanza)} while it had to be silent, ${describe(faults)}`);
  });
}

/** Each message is one event, and is reported. */
function judgeMessages({ rig, crowd, followers }: Evidence, backlog: readonly string[]): string[] {
  const messages = rig.hook.taken.filter(({ body }) => body.event === "message");
  const byMessage = Map.groupBy(messages, ({ body }) => String(body.payload.id).split("_")[2] ?? "");
  const lost = missingMessages({ rig, crowd });
  const repeated = [...byMessage].filter(([, all]) => new Set(all.map(({ body }) => body.id)).size > 1);
  return [
    ...lost.map(
      (id) => `message ${id} to ${crowd.sent.get(id)} was not reported: ${fate(crowd, followers, id)}; ${backlog}`,
    ),
    ...repeated.map(([id]) => `message ${id} to ${crowd.sent.get(id)} is more than one event`),
  ];
}

/** Returns the answers that WhatsApp got for a message, and the number of clients that have read it from a stream. */
function fate(crowd: Crowd, followers: readonly Follower[], id: string): string {
  const device = crowd.phones.get(crowd.sent.get(id) ?? "")?.devices[0];
  const { receipts, acks } = device?.ledger ?? {};
  const readers = followers.filter(({ events }) => events.some(({ message }) => message === id)).length;
  return JSON.stringify({ receipts: receipts?.get(id), ack: acks?.get(id), isStored: device?.stored.has(id), readers });
}

/** Returns the ids of messages that no webhook has told yet. */
export function missingMessages({ rig, crowd }: Pick<Evidence, "rig" | "crowd">): string[] {
  const told = new Set(rig.hook.taken.map(({ body }) => String(body.payload.id).split("_")[2]));
  return [...crowd.sent.keys()].filter((id) => !told.has(id));
}

/** No session that was paired asks for another scan or fails. */
function judgeStatuses({ rig, crowd }: Evidence): string[] {
  return [...crowd.phones.keys()].flatMap((name) => {
    const statuses = rig.hook.statuses(name);
    const since = statuses.slice(statuses.indexOf("WORKING") + 1);
    const wrong = since.filter((status) => status === "SCAN_QR_CODE" || status === "FAILED");
    return wrong.map((status) => `${name} became ${status}`);
  });
}

/** The first arrivals of a session's events are in the order of the log. */
function judgeOrder({ rig, crowd }: Evidence, logged: readonly LoggedEvent[]): string[] {
  const positions = new Map(logged.map(({ id }, i) => [id, i]));
  return [...crowd.phones.keys()].flatMap((name) => {
    const taken = rig.hook.taken.filter(({ body }) => body.session === name);
    const ids = [...new Set(taken.map(({ body }) => body.id))];
    const unknown = ids.filter((id) => !positions.has(id));
    const order = ids.flatMap((id) => positions.get(id) ?? []);
    const at = order.findIndex((position, i) => position < (order[i - 1] ?? -1));
    return [
      ...unknown.map((id) => `event ${id} of ${name} was delivered, and is not in the log`),
      ...(at < 0 ? [] : [`event ${ids[at]} of ${name} came after later ones`]),
    ];
  });
}

/** Each fault repeats at most the deliveries in flight. */
function judgeRepeats({ rig, crowd, faults }: Evidence): string[] {
  return [...crowd.phones.keys()].flatMap((name) => {
    const taken = rig.hook.taken.filter(({ body }) => body.session === name);
    const repeats = taken.length - new Set(taken.map(({ body }) => body.id)).size;
    return repeats <= faults.length * slotsPerSession
      ? []
      : [`${name} had ${repeats} double deliveries in ${faults.length} faults`];
  });
}

/** A client that resumes its stream at another node gets each event once, in the log's order. Events of deleted sessions may be missing. */
function judgeFollowers({ crowd, followers, endSeq }: Evidence, logged: readonly LoggedEvent[]): string[] {
  return followers.flatMap(({ startSeq, cursor, events, complaints, path }, i) => {
    const who = `the client of streams ${i}, after ${path.length} nodes,`;
    const seen = new Set(events.map(({ id }) => id));
    const logs = new Map(logged.map((event) => [event.id, event]));
    const missing = logged.filter(
      ({ seq, session, id }) => seq > startSeq && seq <= endSeq && crowd.phones.has(session) && !seen.has(id),
    );
    const strange = events.filter(({ id, session, seq }) => crowd.phones.has(session) && logs.get(id)?.seq !== seq);
    const at = events.findIndex(({ seq }, n) => n > 0 && seq <= (events[n - 1]?.seq ?? 0n));
    return [
      ...complaints.map((complaint) => `${who} complains: ${complaint}`),
      ...missing.map(({ id, seq }) => `${who} missed event ${seq} (${id}) before ${cursor}`),
      ...strange.map(({ id, seq }) => `${who} read event ${seq} (${id}), which is not in the log there`),
      ...(at < 0 ? [] : [`${who} read event ${events[at]?.seq} after ${events[at - 1]?.seq}`]),
    ];
  });
}

function nameOf(crowd: Crowd, device: SentStanza["device"]): string | undefined {
  return [...crowd.phones].find(([, phone]) => phone === device.phone)?.[0];
}

const told = (crowd: Crowd, { device, node, tag, atMs }: SentStanza) =>
  `node ${node} sent <${tag}> for ${nameOf(crowd, device) ?? device.jid} at ${atMs}`;

/** Returns the faults as text, for a report. */
export function describe(faults: readonly PastFault[]): string {
  return faults
    .map(({ kind, node, startMs, endMs }) => `${kind} ${node ?? ""} ${startMs}+${Math.round(endMs - startMs)}`)
    .join(", ");
}
