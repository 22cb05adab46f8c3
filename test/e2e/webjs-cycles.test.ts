import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { it } from "node:test";
import { openWebjsHarness } from "./webjs-harness.ts";

/** Set SESSIOND_TEST_WEBJS_CYCLES=50 for the long run. */
const cycles = Number(process.env.SESSIOND_TEST_WEBJS_CYCLES ?? 3);
/** Code loaded at first use, and caches, exist by then. */
const warmUp = Math.min(10, Math.floor(cycles / 2));
/**
 * For runs by hand: memory growth is checked from this many cycles on, where other programs' temporary files would
 * count as ours.
 */
const manyCycles = 30;
const memoryGrowth = 1.15;
/** The test's own connections come and go. */
const clientSockets = 5;

it(`${cycles} cycles of create, pair and delete on WEBJS leave nothing behind`, async (t) => {
  await using harness = await openWebjsHarness();
  const { rest, server, browsers, pair, whatsapp } = harness;
  const phone = whatsapp.phone();
  const look = async () => ({
    processes: (await browsers.processes()).length,
    profiles: (await browsers.profiles()).length,
    temporary: cycles < manyCycles ? 0 : (await readdir(tmpdir())).filter((name) => /chromium\./i.test(name)).length,
  });
  const countHandles = async () => (await readdir(`/proc/${server.pid}/fd`)).length;
  let before: (Awaited<ReturnType<typeof look>> & { readonly handles: number }) | undefined;
  const megabytes: number[] = [];
  for (let i = 0; i < cycles; i++) {
    await rest.post("/api/sessions", { name: "alice" });
    await pair("alice", phone);
    assert.equal((await rest.delete("/api/sessions/alice")).status, 200);
    assert.equal(phone.devices.length, 0);
    megabytes.push(await residentMegabytes(server.pid));
    if (i === warmUp) before = { ...(await look()), handles: await countHandles() };
  }
  assert.ok(before);
  const { handles, ...others } = before;
  assert.deepEqual(await look(), others);
  assert.equal(others.processes, 0);
  const handlesAtEnd = await countHandles();
  assert.ok(handlesAtEnd <= handles + clientSockets, `${handles} handles have become ${handlesAtEnd}`);
  await whatsapp.until(() => whatsapp.pages.length === 0);
  const [first, last] = [lowest(megabytes.slice(warmUp, warmUp + 5)), lowest(megabytes.slice(-5))];
  t.diagnostic(
    `${handles} handles, at the end ${handlesAtEnd}; resident memory after ${warmUp} cycles ${first} MB, at the end ${last} MB`,
  );
  if (cycles >= manyCycles) assert.ok(last < first * memoryGrowth, `${first} MB have become ${last} MB`);
});

const lowest = (numbers: readonly number[]) => Math.min(...numbers);

async function residentMegabytes(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024);
}
