import assert from "node:assert/strict";
import { readdir, readFile, readlink } from "node:fs/promises";
import { it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { legalSteps } from "../domain/session-states.ts";
import type { Phone } from "../emulator/phone.ts";
import { openHarness } from "./harness.ts";
import type { RestClient } from "./rest-client.ts";

/** Set SESSIOND_TEST_COMMANDS=10000 for the long run. */
const commandCount = Number(process.env.SESSIOND_TEST_COMMANDS ?? 300);
const sessionCount = 50;

const env = {
  SESSIOND_CONNECTS_PER_SECOND: "1000",
  SESSIOND_MAX_CONNECTING: "1000",
  SESSIOND_METRICS: "true",
};

const kinds = ["start", "stop", "restart", "logout", "update"] as const;
const pick = <T>(of: readonly T[]): T => of[Math.floor(Math.random() * of.length)] ?? assert.fail();

/** Counts a server's resources: sockets to WhatsApp, known there or not, files, and timers. */
async function held(pid: number | undefined, rest: RestClient, port: number) {
  const directory = `/proc/${pid}/fd`;
  const links = await Promise.all(
    (await readdir(directory)).map((fd) => readlink(`${directory}/${fd}`).catch(() => "")),
  );
  const remote = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const toWhatsApp = (await readFile(`/proc/${pid}/net/tcp`, "utf8"))
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => columns[2] === remote)
    .map((columns) => `socket:[${columns[9]}]`);
  const metrics = String((await rest.get("/metrics")).body);
  const timers = Number(/^nodejs_active_resources\{type="Timeout"\} (\d+)/m.exec(metrics)?.[1] ?? 0);
  return {
    sockets: links.filter((link) => toWhatsApp.includes(link)).length,
    files: links.filter((link) => link.startsWith("/")).length,
    timers,
  };
}

it(`${commandCount} commands on ${sessionCount} sessions: the last wins, and no resource leaks`, {
  timeout: 120_000 + 60 * commandCount,
}, async (t) => {
  await using harness = await openHarness(env);
  const { whatsapp, server, rest } = harness;
  const transitions: Transitions = { count: 0, illegal: [] };
  // Ends with the server.
  watchTransitions(rest, transitions).catch((e) => console.error("stream", e));
  const port = Number(new URL(whatsapp.url).port);
  const before = await held(server.pid, rest, port);
  const phones = new Map<string, Phone>();
  const wanted = new Map<string, "RUNNING" | "STOPPED">();
  let issued = 0;

  const scan = async (name: string) => {
    const { status, body } = await rest.get(`/api/${name}/auth/qr?format=raw`);
    const phone = whatsapp.phone();
    phones.set(name, phone);
    // Another command may have ended the code's life meanwhile.
    if (status === 200) await phone.scan(String(body.value)).catch(() => {});
  };
  const run = async (name: string, kind: (typeof kinds)[number] | "delete") => {
    const path = `/api/sessions/${name}`;
    const { status, body } = await (kind === "delete"
      ? rest.delete(path)
      : kind === "update"
        ? rest.put(path, { config: { metadata: { issued: String(issued) } } })
        : rest.post(`${path}/${kind}`));
    assert.ok([200, 201, 404].includes(status), `${kind}: ${status} ${JSON.stringify(body)}`);
  };
  const play = async (name: string) => {
    while (issued < commandCount) {
      if (!wanted.has(name)) {
        assert.equal((await rest.post("/api/sessions", { name })).status, 201);
        wanted.set(name, "RUNNING");
      }
      if (Math.random() < 0.3) await scan(name);
      const burst = Array.from({ length: 1 + Math.floor(Math.random() * 4) }, () => pick(kinds));
      issued += burst.length;
      // HTTP does not order concurrent calls, so the last one is sent after the others have ended.
      const [last = "start", ...others] = burst;
      await Promise.all(others.map((kind) => run(name, kind)));
      if (Math.random() < 0.05) {
        await run(name, "delete");
        assert.equal((await rest.get(`/api/sessions/${name}`)).status, 404);
        wanted.delete(name);
        continue;
      }
      const { body: middle } = await rest.get(`/api/sessions/${name}`);
      await run(name, last);
      const { body } = await rest.get(`/api/sessions/${name}`);
      const expected = { start: "RUNNING", restart: "RUNNING", stop: "STOPPED", logout: "", update: "" }[last];
      const desired = expected || String(middle.desiredState).slice("DESIRED_STATE_".length);
      assert.equal(body.desiredState, `DESIRED_STATE_${desired}`, `after ${last}`);
      if (desired === "STOPPED") assert.equal(body.status, "STOPPED");
      wanted.set(name, desired === "STOPPED" ? "STOPPED" : "RUNNING");
    }
  };
  await Promise.all(Array.from({ length: sessionCount }, (_, i) => play(`s${i}`)));

  const running = [...wanted.values()].filter((one) => one === "RUNNING").length;
  await whatsapp.until(() => whatsapp.counters.connections === running, `${running} connections`);
  assert.equal(whatsapp.counters.conflicts, 0, "no device ever had two connections");

  for (const name of wanted.keys()) await rest.delete(`/api/sessions/${name}`);
  await whatsapp.until(() => whatsapp.counters.connections === 0, "the end of all connections");
  let after = await held(server.pid, rest, port);
  // Baileys leaves timers behind that expire within a minute. Only the long run waits for that.
  const isClean = () => after.sockets === 0 && (commandCount < 1_000 || after.timers <= before.timers + 2);
  for (let i = 0; i < 900 && !isClean(); i++) {
    await delay(100);
    after = await held(server.pid, rest, port);
  }
  t.diagnostic(`${issued} commands, ${whatsapp.counters.pairings} pairings, ${whatsapp.counters.logins} logins`);
  t.diagnostic(`held before ${JSON.stringify(before)}, after ${JSON.stringify(after)}`);
  assert.ok(isClean(), JSON.stringify({ before, after }));
  // LevelDB opens tables as needed, up to a limit.
  assert.ok(after.files <= before.files + 40);
  assert.deepEqual(
    server.log.filter((line) => /uncaught|unhandled|did not close cleanly/.test(line)),
    [],
  );
  assert.ok(transitions.count > sessionCount, `${transitions.count} transitions`);
  assert.deepEqual(transitions.illegal, []);
  assert.deepEqual(whatsapp.faults, []);
});

/** Transitions of sessions so far. */
interface Transitions {
  count: number;
  readonly illegal: string[];
}

/** Reads all events as they come and records the transitions of sessions. */
async function watchTransitions(rest: RestClient, transitions: Transitions): Promise<void> {
  const statuses = new Map<string, string>();
  for await (const { event } of rest.stream("/api/events?cursor=0&names=session.status&names=session.deleted")) {
    if (!event) continue;
    const session = String(event.session);
    if (event.name === "session.deleted") statuses.delete(session);
    const to = event.sessionStatus?.status;
    if (to === undefined) continue;
    const from = statuses.get(session) ?? "STOPPED";
    transitions.count += 1;
    if (!legalSteps[from]?.includes(String(to))) transitions.illegal.push(`${session}: ${from} to ${to}`);
    statuses.set(session, String(to));
  }
}
