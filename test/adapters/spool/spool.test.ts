import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { createSpool } from "../../../src/adapters/spool/spool.ts";
import { FileUnavailable, type SpooledFile } from "../../../src/ports/media.ts";

async function* inPieces(content: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
}

async function collect(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts = [];
  for await (const part of content) parts.push(part);
  return Buffer.concat(parts);
}

const isUnavailable = (error: unknown) => error instanceof FileUnavailable;

describe("the spool", () => {
  let directory: string;
  const spool = () => createSpool(join(directory, "files"));
  /** Returns the paths of all files, relative to the directory. */
  const paths = async () =>
    (await readdir(directory, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name));

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "spool-"));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  const chunk = 64 * 1024;
  for (const size of [0, 1, chunk - 1, chunk, chunk + 1, 3 * chunk, 1_000_000]) {
    it(`returns a file of ${size} bytes as it was, in another process too`, async () => {
      const content = randomBytes(size);
      for (const piece of [7_001, 200_000]) {
        const file = await spool().add("alice", inPieces(content, piece));
        assert.equal(file.size, size);
        assert.deepEqual(await collect(spool().read("alice", file)), content);
        await spool().remove("alice", file.id);
      }
    });
  }

  it("has nothing on disk that can be read, and no name of a session in its paths", async () => {
    const text = "a secret that must not be on disk ".repeat(10_000);
    const file = await spool().add("alice", inPieces(Buffer.from(text), 5_000));
    const [path = "", ...others] = await paths();
    assert.deepEqual(others, []);
    assert.ok(!path.includes("alice"));
    assert.ok(!(await readFile(path)).includes("secret"));
    await spool().remove("alice", file.id);
  });

  for (const [name, damage] of [
    ["cut to whole chunks", (path: string) => truncate(path, chunk + 16)],
    ["cut to nothing", (path: string) => truncate(path, 0)],
    [
      "changed",
      async (path: string) =>
        writeFile(
          path,
          (await readFile(path)).map((byte, i) => (i === 70_000 ? byte ^ 1 : byte)),
        ),
    ],
    ["removed", (path: string) => rm(path)],
  ] as const) {
    it(`refuses a file that was ${name}`, async () => {
      const file = await spool().add("alice", inPieces(randomBytes(3 * chunk), 10_000));
      const [path = ""] = await paths();
      await damage(path);
      await assert.rejects(collect(spool().read("alice", file)), isUnavailable);
      await spool().remove("alice", file.id);
    });
  }

  it("leaves nothing behind of a file that did not arrive whole", async () => {
    async function* failing() {
      yield randomBytes(200_000);
      throw new FileUnavailable("was cut");
    }
    await assert.rejects(spool().add("alice", failing()), isUnavailable);
    assert.deepEqual(await paths(), []);
  });

  it("refuses ids that are not its own", async () => {
    for (const id of ["", "../alice", "/etc/passwd", "a".repeat(33)]) {
      const file: SpooledFile = { id, key: randomBytes(32), size: 1 };
      await assert.rejects(async () => collect(spool().read("alice", file)), isUnavailable);
    }
  });

  it("keeps the files that are still needed, and those that this process has written", async () => {
    const earlier = spool();
    const needed = await earlier.add("alice", inPieces(randomBytes(10), 10));
    await earlier.add("alice", inPieces(randomBytes(10), 10));
    const ofBob = await earlier.add("bob", inPieces(randomBytes(10), 10));
    await earlier.add("carol", inPieces(randomBytes(10), 10));
    const later = spool();
    const own = await later.add("alice", inPieces(randomBytes(10), 10));
    await later.retain("alice", [needed.id]);
    await later.retainSessions(["alice", "bob"]);
    const ids = (await paths()).map((path) => path.split("/").at(-1)).sort();
    assert.deepEqual(ids, [needed.id, own.id, ofBob.id].sort());
  });
});
