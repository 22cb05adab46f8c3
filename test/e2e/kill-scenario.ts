import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { sendUnavailable } from "../emulator/messages.ts";
import type { Phone } from "../emulator/phone.ts";
import { type Fleet, pairFleet } from "./fleet.ts";
import type { openHarness } from "./harness.ts";
import type { Json } from "./rest-client.ts";

type Harness = Awaited<ReturnType<typeof openHarness>>;
type Command = "start" | "stop" | "restart";

/** Roles of the fleet's sessions by position: four work, two get commands, three are in trouble. */
const roles = ["w0", "w1", "w2", "w3", "moody0", "moody1", "stopped", "banned", "unavailable"] as const;
const commands: readonly Command[] = ["start", "stop", "restart"];

const chance = (share: number) => Math.random() < share;

/** Sessions in every status, with the facts that an outside observer knows for certain, checked after each kill. */
export class KillScenario {
  readonly #it: Harness;
  readonly #fleet: Fleet;
  /** Commands that may count for a session: the last answered one and those sent after it. */
  readonly #wanted = new Map<string, Command[]>();
  /** Sessions that come and go, with their phones; undefined: the deletion was confirmed. */
  readonly #newcomers = new Map<string, Phone | undefined>();
  /** Sessions whose deletion was under way when the server was killed. */
  readonly #leaving = new Set<string>();
  /** Session that each message was sent to, by message id. */
  readonly sent = new Map<string, string>();
  #running: Promise<unknown>[] = [];

  private constructor(it: Harness, fleet: Fleet) {
    this.#it = it;
    this.#fleet = fleet;
  }

  static async open(it: Harness): Promise<KillScenario> {
    const { whatsapp, rest, config } = it;
    const fixture = new KillScenario(it, await pairFleet(whatsapp, rest, roles.length, config));
    for (const role of roles) await rest.untilStatus(fixture.#nameOf(role), "WORKING");
    await rest.post(`/api/sessions/${fixture.#nameOf("stopped")}/stop`);
    fixture.#phoneOf("banned").ban(403);
    await rest.untilStatus(fixture.#nameOf("banned"), "FAILED").catch(() => {});
    const unavailable = fixture.#phoneOf("unavailable");
    unavailable.loginRefusal = { reason: 503 };
    unavailable.devices[0]?.connection?.drop();
    await rest.post("/api/sessions", { name: "scanning", config });
    for (const role of ["moody0", "moody1"] as const) fixture.#wanted.set(fixture.#nameOf(role), ["start"]);
    return fixture;
  }

  /** Sends messages to all sessions that can receive some, until the signal. */
  async traffic(signal: AbortSignal): Promise<void> {
    const bob = this.#it.whatsapp.phone();
    for (let i = 0; !signal.aborted; i++) {
      const name = this.#fleet.names[i % 6] ?? "";
      const phone = this.#fleet.phoneOf(name);
      const [device] = phone.devices;
      if (chance(0.1) && device) sendUnavailable(bob, device);
      else this.sent.set(await bob.sendTextTo(phone, `text ${i}`), name);
      await delay(Math.random() * 150);
    }
  }

  /** Starts actions that the next kill may interrupt. */
  stir(): void {
    const { whatsapp } = this.#it;
    if (chance(0.5)) this.#run(this.#command(this.#nameOf(chance(0.5) ? "moody0" : "moody1")));
    if (chance(0.3)) this.#run(this.#newcomer());
    if (chance(0.2)) whatsapp.connections.at(Math.floor(Math.random() * whatsapp.connections.length))?.drop();
  }

  /** Completes the actions under way. Called once the server has ended, so all of them have failed by then. */
  async settled(): Promise<void> {
    await Promise.all(this.#running);
    this.#running = [];
  }

  /**
   * Waits until a server that went on has told of each scan, for at most 10 s. A phone knows of its device as soon as the login is on disk,
   * which is before the status.
   */
  async caughtUp(): Promise<void> {
    const { rest } = this.#it;
    const isBehind = async ([name, phone]: [string, Phone | undefined]) =>
      (phone?.devices.length ?? 0) > 0 && (await rest.get(`/api/sessions/${name}`)).body.status === "SCAN_QR_CODE";
    for (const endMs = Date.now() + 10_000; Date.now() < endMs; await delay(100)) {
      const behind = await Promise.all(Array.from(this.#newcomers, isBehind));
      if (!behind.includes(true)) return;
    }
  }

  /** Checks the invariants that hold whenever the server is up. */
  async check(): Promise<void> {
    const { body } = await this.#it.rest.get("/api/sessions?all=true");
    const found = new Map(Object.values(body).map((session) => [String(session.name), session]));
    for (const name of this.#fleet.names) assertPaired(name, found.get(name), this.#fleet.phoneOf(name));
    assert.equal(found.get(this.#nameOf("stopped"))?.status, "STOPPED");
    assert.equal(found.get(this.#nameOf("banned"))?.status, "FAILED");
    assert.equal(found.get(this.#nameOf("unavailable"))?.status, "STARTING");
    assert.match(String(found.get("scanning")?.status), /STARTING|SCAN_QR_CODE/);
    for (const [name, wanted] of this.#wanted) {
      const desiredState = found.get(name)?.desiredState;
      const possible = wanted.map((command) => `DESIRED_STATE_${command === "stop" ? "STOPPED" : "RUNNING"}`);
      assert.ok(possible.includes(String(desiredState)), `${name} is ${desiredState} after ${wanted}`);
      this.#wanted.set(name, [String(desiredState).endsWith("STOPPED") ? "stop" : "start"]);
    }
    for (const [name, phone] of this.#newcomers) {
      if (!phone) assert.equal(found.get(name), undefined, `${name} was deleted`);
      else if (phone.devices.length > 0 && !this.#leaving.has(name)) assertPaired(name, found.get(name), phone);
    }
  }

  /** Waits for all sessions that can reach WORKING, and checks that each message was reported exactly once. */
  async comeToRest(patienceMs: number): Promise<void> {
    const { whatsapp, rest, hook } = this.#it;
    for (const role of roles.slice(0, 6)) {
      const name = this.#nameOf(role);
      await rest.post(`/api/sessions/${name}/start`);
      await rest.untilStatus(name, "WORKING");
      this.#wanted.delete(name);
    }
    for (const [name, phone] of this.#newcomers) {
      if (phone?.devices[0] && !this.#leaving.has(name)) await whatsapp.waitForLogin(phone.devices[0]);
    }
    const devices = roles.slice(0, 6).flatMap((role) => this.#phoneOf(role).devices);
    await whatsapp.until(() => devices.every(({ stored }) => stored.size === 0), "the receipts", patienceMs);
    const endMs = Date.now() + patienceMs;
    while (this.#missing(hook.taken).length > 0 && Date.now() < endMs) await delay(250);
    assert.deepEqual(
      this.#missing(hook.taken).map((id) => this.#ledgerOf(id)),
      [],
    );
    const events = Map.groupBy(
      hook.taken.filter(({ body }) => body.event === "message"),
      ({ body }) => String(body.payload.id),
    );
    const repeated = [...events].filter(([, told]) => new Set(told.map(({ body }) => body.id)).size > 1);
    assert.deepEqual(
      repeated.map(([id]) => id),
      [],
      "each message is one event",
    );
  }

  /** Number of times a device has used its Signal session with its own phone. */
  get peerMessages(): number {
    const devices = this.#fleet.names.flatMap((name) => this.#fleet.phoneOf(name).devices);
    return devices.reduce((sum, { ledger }) => sum + ledger.peerMessages, 0);
  }

  #missing(taken: Harness["hook"]["taken"]): string[] {
    const told = new Set(taken.map(({ body }) => String(body.payload.id).split("_")[2]));
    return [...this.sent.keys()].filter((id) => !told.has(id));
  }

  /** Returns WhatsApp's view of a message, for finding out why it is missing. */
  #ledgerOf(id: string) {
    const session = this.sent.get(id) ?? "";
    const ledgers = this.#fleet.phoneOf(session).devices.map(({ ledger }) => ledger);
    return { id, session, receipts: ledgers.map(({ receipts, acks }) => [receipts.get(id), acks.get(id)]) };
  }

  #nameOf(role: (typeof roles)[number]): string {
    return this.#fleet.names[roles.indexOf(role)] ?? assert.fail();
  }

  #phoneOf(role: (typeof roles)[number]): Phone {
    return this.#fleet.phoneOf(this.#nameOf(role));
  }

  #run(step: Promise<unknown>): void {
    this.#running.push(step.catch(() => {}));
  }

  async #command(name: string): Promise<void> {
    const command = commands[Math.floor(Math.random() * commands.length)] ?? "start";
    this.#wanted.get(name)?.push(command);
    const { status } = await this.#it.rest.post(`/api/sessions/${name}/${command}`);
    if (status === 201) this.#wanted.set(name, this.#wanted.get(name)?.slice(-1) ?? []);
  }

  /** Creates and pairs a session; deletes an old one, sometimes after a logout. */
  async #newcomer(): Promise<void> {
    const { rest, whatsapp, config } = this.#it;
    const name = `new${this.#newcomers.size}`;
    const phone = whatsapp.phone();
    this.#newcomers.set(name, phone);
    await rest.post("/api/sessions", { name, config });
    const { status, body } = await rest.get(`/api/${name}/auth/qr?format=raw`);
    if (status === 200) await phone.scan(String(body.value));
    const old = [...this.#newcomers].find(([one, itsPhone]) => itsPhone && one !== name)?.[0];
    if (!old) return;
    this.#leaving.add(old);
    if (chance(0.3)) await rest.post(`/api/sessions/${old}/logout`);
    if ((await rest.delete(`/api/sessions/${old}`)).status === 200) this.#newcomers.set(old, undefined);
  }
}

/** Asserts that the session exists, has its login, and has not asked for another scan. */
function assertPaired(name: string, session: Json | undefined, phone: Phone): void {
  if (phone.devices.length === 0) return;
  assert.ok(session, `${name} is lost`);
  assert.notEqual(session.status, "SCAN_QR_CODE", `${name} asks for a scan`);
  const { statusReason, status } = session;
  const known = ["STATUS_REASON_UNSPECIFIED", "UNREACHABLE", "RESTART_REQUIRED", "REPLACED", "BANNED", undefined];
  assert.ok(known.includes(statusReason as unknown as string), `${name} is ${status}: ${statusReason}`);
}
