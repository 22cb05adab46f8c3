import type { TestContext } from "node:test";
import type { SessionRecord } from "../../../gen/sessiond/store/v1/store_pb.js";
import { Session_Status as Status } from "../../../gen/sessiond/v1/session_pb.js";
import { createBaileysFactory } from "../../../src/adapters/baileys/factory.ts";
import type { BaileysOptions } from "../../../src/adapters/baileys/settings.ts";
import { systemClock } from "../../../src/adapters/node/system.ts";
import { statusOf } from "../../../src/domain/session.ts";
import type { Pairing } from "../../../src/ports/sessions.ts";
import { openHarness } from "../../app/harness.ts";
import type { LinkedDevice } from "../../emulator/device.ts";
import { startWhatsApp, type WhatsApp } from "../../emulator/whatsapp.ts";
import { FakeClock } from "../../support/fake-clock.ts";

export type NowebHarness = Awaited<ReturnType<typeof openNowebHarness>>;

/**
 * Sessions as the server has them, with real NOWEB engines and an emulated WhatsApp. The sessions' clock stands still until a test
 * moves it; the engines' is the machine's unless told otherwise.
 */
export async function openNowebHarness(
  t: TestContext,
  engines: (clock: FakeClock) => Partial<BaileysOptions> = () => ({}),
) {
  const whatsapp = await startWhatsApp();
  const clock = new FakeClock();
  const factory = createBaileysFactory({ clock: systemClock, waWebSocketUrl: whatsapp.url, ...engines(clock) });
  const harness = openHarness(t, { engines: new Map([[factory.kind, factory]]) }, clock);
  t.after(async () => {
    await harness.manager.close();
    await whatsapp.close();
  });
  const { manager, backend } = harness;

  /** Waits for a state of the session; with what can be scanned in it. */
  async function until(
    name: string,
    holds: (record: SessionRecord, pairing: Pairing | undefined) => boolean,
  ): Promise<{ record: SessionRecord; pairing: Pairing | undefined }> {
    for await (const { record, pairing } of backend.sessions.watch(name, new AbortController().signal)) {
      if (record && holds(record, pairing)) return { record, pairing };
    }
    throw new Error(`${name} is no longer watched`);
  }
  const untilStatus = (name: string, status: Status) => until(name, (record) => statusOf(record) === status);

  /** Creates a session that shows a code. */
  async function pairing(name: string): Promise<string> {
    await manager.create({ name, engine: 0, config: undefined, start: true });
    const found = await until(name, (_record, codes) => codes !== undefined);
    return found.pairing?.value ?? "";
  }

  /** Creates a session that works, and its device at WhatsApp. */
  async function working(name: string): Promise<LinkedDevice> {
    const device = await whatsapp.phone().scan(await pairing(name));
    await untilStatus(name, Status.WORKING);
    await whatsapp.waitForLogin(device);
    return device;
  }

  return { ...harness, whatsapp, until, untilStatus, pairing, working };
}

/** The connection of the client that registered last, once there is one. */
export async function candidateConnection(whatsapp: WhatsApp) {
  await whatsapp.until(() => whatsapp.candidates.length > 0, "a client to pair");
  const connection = whatsapp.candidates.at(-1)?.connection;
  if (!connection) throw new Error("the client is gone");
  return connection;
}
