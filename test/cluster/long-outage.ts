import { setTimeout as delay } from "node:timers/promises";
import type { Crowd } from "./crowd.ts";
import type { PastFault } from "./faults.ts";
import { judge, missingMessages } from "./judges.ts";
import type { Rig } from "./rig.ts";
import type { RigNode } from "./rig-node.ts";
import type { Witness } from "./witness.ts";

/** Ways of PostgreSQL to be away: killed; out of reach without a word; out of reach, so that connections are refused. */
export const outageKinds = ["kill", "hold", "cut"] as const;
export type OutageKind = (typeof outageKinds)[number];

/** Options of an outage. */
export interface OutageOptions {
  readonly kind: OutageKind;
  /** Its length at a time scale of 1, ms. */
  readonly awayMs: number;
  readonly seed: number;
}

/** Outcome of an outage. Times are counted from the moment in which PostgreSQL is back, ms. */
export interface OutageReport {
  /** A sentence for each promise that was broken. */
  readonly broken: readonly string[];
  readonly messages: number;
  /** Deliveries that came twice. */
  readonly repeats: number;
  /** Answers to calls meanwhile, by status. */
  readonly answers: ReadonlyMap<number, number>;
  /** Texts of these answers. */
  readonly texts: ReadonlySet<string>;
  readonly slowestAnswerMs: number;
  /** From the start of the outage until no session had a connection, ms; undefined if some always had. */
  readonly closedAfterMs: number | undefined;
  readonly logins: number;
  /** Time until each node carried out a call. */
  readonly callsAfterMs: number;
  /** Time until each session had reported one of the messages that waited for it, and until all had been reported. */
  readonly firstReportsAfterMs: number;
  readonly reportsAfterMs: number;
  /** Time until all sessions had a connection. */
  readonly onlineAfterMs: number;
}

/** Times of the design at a time scale of 1, ms: when a node freezes and when it gives its sessions up. */
const [freezeMs, closeMs] = [6_000, 180_000];
/** Time until everything goes on after PostgreSQL is back, and until sessions that were closed have connected again, ms. */
const [goOnMs, reconnectMs] = [3_000, 20_000];
/** Time in which a frozen node answers, on a machine that is busy, ms. */
const answerMs = 2_000;
/** Time of a timer, of what it ends and of the test's own look, on a machine that is busy, ms. */
const slackMs = 2_000;
/** Time after the start from which calls must be refused at once, ms: PostgreSQL is waited for until then. */
const refusalMs = freezeMs + 1_000;
const lookMs = 250;
const giveUpMs = 120_000;

interface Answer {
  readonly node: string;
  /** Since the start of the outage. */
  readonly askedMs: number;
  readonly tookMs: number;
  readonly status: number;
  readonly text: string;
}

/** A cluster under traffic, from which PostgreSQL is taken for long. */
export class LongOutage {
  readonly #rig: Rig;
  readonly #crowd: Crowd;
  readonly #witness: Witness;
  /** Answer to the last call that was not carried out. */
  #refusal: string | undefined;

  constructor(rig: Rig, crowd: Crowd, witness: Witness) {
    this.#rig = rig;
    this.#crowd = crowd;
    this.#witness = witness;
  }

  /** Takes PostgreSQL away, brings it back, and judges what was noticed of it. */
  async run({ kind, awayMs, seed }: OutageOptions): Promise<OutageReport> {
    const [rig, crowd, witness] = [this.#rig, this.#crowd, this.#witness];
    await this.#begin(seed);
    const ending = new AbortController();
    const stirring = Promise.all([crowd.traffic(ending.signal), crowd.tellReceipts(ending.signal)]);
    try {
      await delay(2_000);
      const { logins } = rig.whatsapp.counters;
      const fault: PastFault = {
        kind: "postgres",
        node: undefined,
        startMs: Date.now(),
        healMs: Number.POSITIVE_INFINITY,
        endMs: Number.POSITIVE_INFINITY,
      };
      const bringBack = await this.#takeAway(kind);
      const answers: Answer[] = [];
      const lengthMs = awayMs * rig.timeScale;
      const closedAfterMs = await this.#watch(fault.startMs, lengthMs, answers);
      fault.healMs = Date.now();
      await bringBack();
      fault.endMs = Date.now();
      const waiting = missingMessages({ rig, crowd });
      const sessions = new Set(waiting.map((id) => crowd.sent.get(id)));
      const [callsAfterMs, firstReportsAfterMs, reportsAfterMs, onlineAfterMs] = await Promise.all([
        this.#time(fault.endMs, () => this.#allCarryOut()),
        this.#time(fault.endMs, () => {
          const missing = new Set(missingMessages({ rig, crowd }));
          const reported = waiting.filter((id) => !missing.has(id));
          return new Set(reported.map((id) => crowd.sent.get(id))).size === sessions.size;
        }),
        this.#time(fault.endMs, () => {
          const missing = new Set(missingMessages({ rig, crowd }));
          return waiting.every((id) => !missing.has(id));
        }),
        this.#time(fault.endMs, () => devicesOf(crowd).every(({ online }) => online)),
      ]);
      // Some go on as usual.
      await delay(2_000);
      ending.abort();
      await stirring;
      await this.#time(Date.now(), () => missingMessages({ rig, crowd }).length === 0);
      const ids = rig.hook.taken.map(({ body }) => body.id);
      const report = {
        messages: crowd.sent.size,
        repeats: ids.length - new Set(ids).size,
        answers: countBy(answers.map(({ status }) => status)),
        texts: new Set(answers.flatMap(({ status, text }) => (status === 503 ? [text] : []))),
        slowestAnswerMs: Math.max(...answers.filter(isDue(rig)).map(({ tookMs }) => tookMs)),
        closedAfterMs,
        logins: rig.whatsapp.counters.logins - logins,
        callsAfterMs,
        firstReportsAfterMs,
        reportsAfterMs,
        onlineAfterMs,
      };
      const evidence = { rig, crowd, witness, followers: [], endSeq: 0n, faults: [fault] };
      const broken = [
        ...(await judge(evidence)),
        ...judgeAnswers(answers.filter(isDue(rig))),
        ...(this.#refusal === undefined ? [] : [`a node goes on to refuse calls: ${this.#refusal}`]),
        ...(lengthMs < closeMs * rig.timeScale ? judgeShort(report, witness) : this.#judgeLong(report)),
      ];
      return { ...report, broken };
    } finally {
      ending.abort();
      await stirring;
    }
  }

  async #begin(seed: number): Promise<void> {
    this.#crowd.begin(seed);
    this.#witness.clear();
    await this.#rig.forget();
  }

  /** Takes PostgreSQL away, and returns the function that brings it back. */
  async #takeAway(kind: OutageKind): Promise<() => Promise<void>> {
    const { nodes, postgres } = this.#rig;
    if (kind === "kill") {
      await postgres.kill();
      return () => postgres.start();
    }
    for (const { store } of nodes) kind === "hold" ? store.hold() : store.cut();
    return async () => {
      for (const { store } of nodes) store.pass();
    };
  }

  /** Calls all nodes during the outage. Returns the time after which no session had a connection. */
  async #watch(startMs: number, lengthMs: number, answers: Answer[]): Promise<number | undefined> {
    const { nodes, whatsapp } = this.#rig;
    const names = [...this.#crowd.phones.keys()];
    const asked: Promise<void>[] = [];
    let closedAfterMs: number | undefined;
    for (let n = 0; Date.now() - startMs < lengthMs; n += 1) {
      if (whatsapp.counters.connections > 0) closedAfterMs = undefined;
      else closedAfterMs ??= Date.now() - startMs;
      const name = names[n % names.length];
      if (n % 4 === 0) for (const node of nodes) asked.push(ask(node, `${name}`, startMs, answers));
      await delay(lookMs);
    }
    await Promise.all(asked);
    return closedAfterMs;
  }

  /** Returns true if each node carries out a call for each session. */
  async #allCarryOut(): Promise<boolean> {
    const calls = this.#rig.nodes.flatMap(({ rest }) =>
      [...this.#crowd.phones.keys()].map((name) => startOf(rest, name)),
    );
    const refused = (await Promise.all(calls)).find(({ status }) => status !== 201);
    this.#refusal = refused && `${refused.status} ${refused.body.message}`;
    return refused === undefined;
  }

  /** Returns the time from a moment until a condition holds, ms; infinite if it does not in time. */
  async #time(fromMs: number, condition: () => boolean | Promise<boolean>): Promise<number> {
    while (!(await condition())) {
      if (Date.now() - fromMs > giveUpMs) return Number.POSITIVE_INFINITY;
      await delay(20);
    }
    return Date.now() - fromMs;
  }

  /** Sessions that are given up in time come back once. */
  #judgeLong({ closedAfterMs, logins, onlineAfterMs }: Omit<OutageReport, "broken">): string[] {
    const { timeScale } = this.#rig;
    const sessions = this.#crowd.phones.size;
    const closeByMs = closeMs * timeScale + slackMs;
    return [
      ...(closedAfterMs !== undefined && closedAfterMs <= closeByMs ? [] : [`closed after ${closedAfterMs} ms`]),
      ...(logins === sessions ? [] : [`${sessions} sessions logged in ${logins} times`]),
      ...(onlineAfterMs <= reconnectMs ? [] : [`all sessions had a connection after ${onlineAfterMs} ms`]),
    ];
  }
}

/** Nothing but the answers to calls shows that PostgreSQL was away. */
function judgeShort(
  { closedAfterMs, logins, repeats, callsAfterMs, firstReportsAfterMs }: Omit<OutageReport, "broken">,
  { gaps }: Witness,
): string[] {
  return [
    ...(logins === 0 ? [] : [`sessions logged in ${logins} times`]),
    ...(gaps.length === 0 && closedAfterMs === undefined ? [] : [`${gaps.length} connections were lost`]),
    ...(repeats === 0 ? [] : [`${repeats} deliveries came twice`]),
    ...(callsAfterMs <= goOnMs ? [] : [`calls went on after ${callsAfterMs} ms`]),
    ...(firstReportsAfterMs <= goOnMs ? [] : [`sessions reported messages after ${firstReportsAfterMs} ms`]),
  ];
}

/** Calls are refused at once, with a sentence that says why and what to do. */
function judgeAnswers(answers: readonly Answer[]): string[] {
  return answers.flatMap(({ node, askedMs, tookMs, status, text }) => {
    const told = `node ${node} answered ${status} "${text}" after ${tookMs} ms to a call ${askedMs} ms into the outage`;
    const isRight = status === 503 && /store/.test(text) && tookMs <= answerMs;
    return isRight ? [] : [told];
  });
}

/** Returns a filter of the answers to calls so late in an outage that they have to be refused. */
const isDue =
  ({ timeScale }: Rig) =>
  ({ askedMs }: Answer) =>
    askedMs >= Math.max(refusalMs, freezeMs * timeScale + slackMs);

async function ask({ name: node, rest }: RigNode, session: string, startMs: number, answers: Answer[]): Promise<void> {
  const askedMs = Date.now() - startMs;
  const { status, body } = await startOf(rest, session);
  answers.push({ node, askedMs, tookMs: Date.now() - startMs - askedMs, status, text: String(body.message) });
}

/** Starts a session that runs, which changes nothing. Status 0: the node cannot be reached. */
const startOf = (rest: RigNode["rest"], session: string) =>
  rest
    .post(`/api/sessions/${session}/start`)
    .catch((error: unknown) => ({ status: 0, body: { message: String(error) } }));

const devicesOf = ({ phones }: Crowd) => [...phones.values()].flatMap(({ devices }) => devices);

function countBy<T>(values: readonly T[]): ReadonlyMap<T, number> {
  return new Map([...Map.groupBy(values, (value) => value)].map(([value, all]) => [value, all.length]));
}
