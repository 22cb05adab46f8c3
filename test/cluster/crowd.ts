import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { newMessageId } from "../emulator/messages.ts";
import type { Phone } from "../emulator/phone.ts";
import { stanza, unixTime } from "../emulator/stanza.ts";
import { createSeededRandom } from "../support/seeded-random.ts";
import type { Rig } from "./rig.ts";
import type { RigNode } from "./rig-node.ts";

type Command = "start" | "stop" | "restart";

const commands: readonly Command[] = ["start", "stop", "restart"];
/** Time for one session to be paired at first on a machine that is busy, and between two tries, ms. */
const [openLimitMs, retryMs] = [300_000, 1_000];
/** Distances of the loops' seeds from that of a run. */
const [trafficOffset, commandOffset, receiptOffset] = [1_000_000_000, 2_000_000_000, 2_500_000_000];

/** Sessions of a rig: some that only work, some that get commands, and some that come and go. */
export class Crowd {
  readonly #rig: Rig;
  /** True if clients call any node; false if they look for the owner. */
  readonly #anyNode: boolean;
  /** Each loop has random numbers of its own, so that a seed gives it the same ones whatever the others do. */
  #seed = 0;
  #random = createSeededRandom(0);
  /** Phones of the sessions that stay, by name. */
  readonly phones = new Map<string, Phone>();
  /** Those of them that get no messages. */
  readonly #quiet = new Set<string>();
  /** Commands that may count for a session: the last answered one and those sent after it. */
  readonly #wanted = new Map<string, Command[]>();
  /** Session that each message was sent to, by message id, in the order of sending. */
  readonly sent = new Map<string, string>();
  /** Deletions that were confirmed. */
  readonly #deleted = new Set<string>();
  /** Answers of commands, by command and status, for the report. */
  readonly answers = new Map<string, number>();
  /** Answers that no node may give. */
  readonly complaints: string[] = [];
  readonly #config: object;

  private constructor(rig: Rig, anyNode: boolean) {
    this.#rig = rig;
    this.#anyNode = anyNode;
    this.#config = { webhooks: [{ url: rig.hook.url, events: ["session.status", "message"] }] };
  }

  /** Pairs sessions, spread over the nodes. */
  static async open(rig: Rig, count: number, anyNode: boolean): Promise<Crowd> {
    const crowd = new Crowd(rig, anyNode);
    const names = Array.from({ length: count }, (_, i) => `s${i}`);
    // One after another: a node that loads its engine on a busy machine would freeze.
    for (const [i, name] of names.entries()) {
      const node = rig.nodes[i % rig.nodes.length] ?? assert.fail();
      crowd.phones.set(name, await crowd.#pairPatiently(node, name));
    }
    const share = Math.ceil(count / 4);
    for (const name of names.slice(0, share)) crowd.#quiet.add(name);
    for (const name of names.slice(-share)) crowd.#wanted.set(name, ["start"]);
    return crowd;
  }

  /** Begins the run of a seed: forgets what earlier runs have sent and been answered. */
  begin(seed: number): void {
    this.#seed = seed;
    this.#random = createSeededRandom(seed + commandOffset);
    this.sent.clear();
    this.answers.clear();
    this.complaints.length = 0;
    this.#deleted.clear();
  }

  /** Sends messages to all sessions that stay, until the signal. */
  async traffic(signal: AbortSignal): Promise<void> {
    const random = createSeededRandom(this.#seed + trafficOffset);
    const bob = this.#rig.whatsapp.phone();
    const names = [...this.phones.keys()].filter((name) => !this.#quiet.has(name));
    for (let i = 0; !signal.aborted; i += 1) {
      const name = random.pick(names);
      const phone = this.phones.get(name) ?? assert.fail();
      this.sent.set(await bob.sendTextTo(phone, `text ${i}`), name);
      await delay(random.between(80, 960) * this.#rig.timeScale);
    }
  }

  /**
   * Tells the sessions without messages that others have read theirs, until the signal. A device acknowledges that at once, without a key
   * or an event, so nothing but the freeze keeps it from doing so.
   */
  async tellReceipts(signal: AbortSignal): Promise<void> {
    const random = createSeededRandom(this.#seed + receiptOffset);
    const reader = this.#rig.whatsapp.phone();
    while (!signal.aborted) {
      for (const name of this.#quiet) {
        const [device] = this.phones.get(name)?.devices ?? [];
        const receipt = stanza("receipt", { from: reader.jid, id: newMessageId(), type: "read", t: unixTime() });
        if (device?.online) device.connection?.send(receipt);
      }
      await delay(random.between(400, 2_000) * this.#rig.timeScale);
    }
  }

  /** Gives commands to nodes, until the signal. */
  async command(signal: AbortSignal): Promise<void> {
    const names = [...this.#wanted.keys()];
    for (let i = 0; !signal.aborted; i += 1) {
      await delay(this.#random.between(800, 4_800) * this.#rig.timeScale);
      if (this.#random.chance(0.25)) await this.#visit(`v${this.#seed}-${i}`).catch(() => this.#count("failed"));
      else await this.#give(this.#random.pick(names), this.#random.pick(commands)).catch(() => this.#count("failed"));
    }
  }

  /** Checks the facts that hold whenever the nodes are up, then starts all sessions that stay and waits until they are online. */
  async comeToRest(patienceMs: number): Promise<void> {
    const { whatsapp } = this.#rig;
    const patience = AbortSignal.timeout(patienceMs);
    for (const [name, wanted] of this.#wanted) {
      const desired = await this.#desiredState(name, patience);
      const possible: readonly string[] = wanted.map((command) => (command === "stop" ? "STOPPED" : "RUNNING"));
      assert.ok(possible.includes(desired), `${name} is to be ${desired} after ${wanted}`);
      while (!(await this.#give(name, "start").catch(() => false))) await this.#pause(patience, `the start of ${name}`);
    }
    for (const name of this.#deleted) {
      const node = this.#random.pick(this.#rig.upNodes);
      assert.equal((await node.rest.get(`/api/sessions/${name}`)).status, 404, `${name} was deleted`);
    }
    const devices = [...this.phones.values()].flatMap((phone) => phone.devices);
    assert.equal(devices.length, this.phones.size, "no device was unlinked");
    const waiting = () =>
      [...this.phones].filter(
        ([
          ,
          {
            devices: [device],
          },
        ]) => !device?.online || device.stored.size > 0,
      );
    await whatsapp
      .until(() => waiting().length === 0, "sessions", patienceMs)
      .catch(async () => {
        const owners = await this.#rig.audit.placement();
        const states = waiting().map(
          ([
            name,
            {
              devices: [device],
            },
          ]) => [name, owners.get(name), device?.online, device?.stored.size],
        );
        assert.fail(`sessions do not work within ${patienceMs} ms: ${JSON.stringify(states)}`);
      });
  }

  async #desiredState(name: string, patience: AbortSignal): Promise<string> {
    for (;;) {
      const node = await this.#nodeFor(name);
      const answer = await node?.rest.get(`/api/sessions/${name}`).catch(() => undefined);
      if (answer?.status === 200) return String(answer.body.desiredState).replace("DESIRED_STATE_", "");
      await this.#pause(patience, `an answer about ${name}, not ${answer?.status} of ${node?.name}`);
    }
  }

  async #pause(patience: AbortSignal, what: string): Promise<void> {
    if (patience.aborted) throw new Error(`waited in vain for ${what}`);
    await delay(100);
  }

  /** Returns the node that a call about a session goes to: a random one, or the owner. */
  async #nodeFor(session: string): Promise<RigNode | undefined> {
    const { upNodes, audit } = this.#rig;
    if (upNodes.length === 0) return undefined;
    const random = this.#random.pick(upNodes);
    if (this.#anyNode) return random;
    const owner = (await audit.placement().catch(() => undefined))?.get(session);
    return owner ? upNodes.find(({ name }) => name === owner) : random;
  }

  async #give(name: string, command: Command): Promise<boolean> {
    const node = await this.#nodeFor(name);
    if (!node) return false;
    this.#wanted.get(name)?.push(command);
    const { status } = await node.rest.post(`/api/sessions/${name}/${command}`);
    this.#judgeAnswer(node, name, command, status);
    if (status === 201) this.#wanted.set(name, this.#wanted.get(name)?.slice(-1) ?? []);
    return status === 201;
  }

  /** Pairs a session, and deletes it again. */
  async #visit(name: string): Promise<void> {
    await this.#pair(this.#random.pick(this.#rig.upNodes), name);
    const node = await this.#nodeFor(name);
    if (!node) return;
    const { status } = await node.rest.delete(`/api/sessions/${name}`);
    this.#judgeAnswer(node, name, "delete", status);
    if (status === 200) this.#deleted.add(name);
  }

  /** Pairs a session by a node that may be frozen, as it is when its machine is busy. */
  async #pairPatiently(node: RigNode, name: string): Promise<Phone> {
    const patience = AbortSignal.timeout(openLimitMs);
    for (;;) {
      try {
        return await this.#pair(node, name);
      } catch (error) {
        if (patience.aborted) throw error;
        await node.rest.delete(`/api/sessions/${name}`).catch(() => {});
        await delay(retryMs);
      }
    }
  }

  async #pair({ rest }: RigNode, name: string): Promise<Phone> {
    const { whatsapp } = this.#rig;
    const phone = whatsapp.phone();
    const { status, body } = await rest.post("/api/sessions", { name, config: this.#config });
    assert.equal(status, 201, JSON.stringify(body));
    const qr = await rest.qrCode(name);
    const device = await phone.scan(qr);
    await whatsapp.until(() => device.online, `the login of ${name}`, 20_000);
    return phone;
  }

  #judgeAnswer({ name: node }: RigNode, session: string, command: string, status: number): void {
    this.#count(`${command} ${status}`);
    if (status === 404 && this.#anyNode)
      this.complaints.push(`node ${node} answered 404 to ${command} of ${session}, which exists`);
  }

  #count(answer: string): void {
    this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1);
  }
}
