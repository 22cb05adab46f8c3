import assert from "node:assert/strict";
import { execFile, fork } from "node:child_process";
import { once } from "node:events";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { history } from "../../contract/backend-fixtures.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import type { Report } from "./full-disk-writer.ts";
import { storeDirectory } from "./store-directory.ts";

const writer = fileURLToPath(new URL("full-disk-writer.ts", import.meta.url));
const skip = process.platform !== "linux" && "only Linux can limit the files of another process (prlimit)";

/** A process that writes continuously, and whose file sizes can be limited: to it the disk is then full. */
class Writer {
  readonly reports: Report[] = [];
  readonly #child;
  #changed = Promise.withResolvers<void>();

  constructor(t: TestContext, directory: string) {
    this.#child = fork(writer, [directory]);
    this.#child.on("message", (report: Report) => {
      this.reports.push(report);
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    });
    t.after(() => this.kill());
  }

  /** Waits for this many more reports of a type, and returns them. */
  async more(type: Report["type"], count: number): Promise<void> {
    const from = this.reports.length;
    while (this.reports.slice(from).filter((report) => report.type === type).length < count) {
      assert.equal(this.#child.exitCode, null, "the writer has ended");
      await this.#changed.promise;
    }
  }

  async state() {
    this.#child.send("state");
    await this.more("state", 1);
    const found = this.reports.findLast((report) => report.type === "state");
    assert.ok(found?.type === "state");
    return found;
  }

  revisions(type: "committed" | "refused"): number[] {
    return this.reports.flatMap((report) => (report.type === type ? [report.revision] : []));
  }

  /** The kernel then writes as much as fits and answers EFBIG (setrlimit(2), RLIMIT_FSIZE). */
  async limitFiles(bytes: number | "unlimited"): Promise<void> {
    await promisify(execFile)("prlimit", [`--pid=${this.#child.pid}`, `--fsize=${bytes}:`]);
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }
}

async function largestLog(directory: string): Promise<number> {
  const names = (await readdir(directory)).filter((name) => name.endsWith(".log"));
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(directory, name))).size));
  return Math.max(...sizes);
}

it("a full disk rejects writes and allows reads, and loses no acknowledged write", {
  skip,
}, async (t) => {
  const store = await storeDirectory(t);
  const disk = new Writer(t, store.path);
  await disk.more("committed", 20);
  for (let round = 0; round < 2; round += 1) {
    // In the middle of a record.
    await disk.limitFiles((await largestLog(store.path)) + 30_000);
    await disk.more("refused", 3);
    const { check, revision } = await disk.state();
    assert.equal(check, "StoreUnavailable");
    assert.equal(revision, disk.revisions("committed").at(-1));
    const before = disk.reports.filter(({ type }) => type === "credentials").length;
    await disk.more("refused", 3);
    assert.equal(disk.reports.filter(({ type }) => type === "credentials").length, before);

    await disk.limitFiles("unlimited");
    await disk.more("committed", 20);
    await disk.more("credentials", 1);
    assert.equal((await disk.state()).check, "ok");
  }
  await disk.kill();

  const backend = await store.open(new FakeClock());
  const events = await history(backend, "alice");
  assert.deepEqual(
    events.map(({ seq }) => seq),
    events.map((_, index) => BigInt(index + 1)),
  );
  const kept = events.map(({ time }) => (time ? timestampMs(time) : 0));
  // The last write may be on disk without having been acknowledged.
  assert.deepEqual(kept.slice(0, disk.revisions("committed").length), disk.revisions("committed"));
  assert.ok(kept.length - disk.revisions("committed").length <= 1);
  assert.ok(disk.revisions("refused").every((revision) => !kept.includes(revision)));
  const { record } = await backend.sessions.get("alice");
  assert.equal(record?.revision, kept.at(-1));
  const [endpoint] = await backend.outbox.endpoints("alice");
  assert.equal(endpoint?.config?.url, `http://receiver.test/${kept.at(-1)}`);
  const told = disk.reports.findLast((report) => report.type === "credentials");
  const [count] = await backend.engineData.credentials(await backend.sessions.acquire("alice")).read(["count"]);
  assert.ok(told?.type === "credentials" && Number(Buffer.from(count ?? [])) >= told.count);
});
