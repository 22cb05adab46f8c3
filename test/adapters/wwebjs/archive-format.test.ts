import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { buffer } from "node:stream/consumers";
import { describe, it, type TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import { ArchiveUnusable, Measured, packFiles, unpackFiles } from "../../../src/adapters/wwebjs/archive-format.ts";
import { StoreUnavailable } from "../../../src/domain/errors.ts";
import { SealBroken } from "../../../src/ports/sealer.ts";

async function directoryOf(t: TestContext, files: Readonly<Record<string, Uint8Array>> = {}) {
  const directory = await mkdtemp(join(tmpdir(), "sessiond-archive-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  for (const [path, bytes] of Object.entries(files)) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), bytes);
  }
  return directory;
}

async function* piecesOf(bytes: Uint8Array, size: number) {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

async function pack(directory: string, maxBytes = 1e9) {
  const measured = new Measured();
  const bytes = await buffer(
    measured.pass(
      packFiles(directory, (path) => !path.endsWith(".log")),
      maxBytes,
    ),
  );
  return { bytes, digest: measured.digest() };
}

const files = {
  empty: Buffer.alloc(0),
  "Default/Local Storage/leveldb/000003.ldb": Buffer.from("ldb"),
  "Default/IndexedDB/näme with spaces": Buffer.alloc(3 * 1024 * 1024, "0123456789abcdef-"),
};

const digestOf = async (bytes: Uint8Array) => {
  const measured = new Measured();
  await buffer(measured.pass(piecesOf(bytes, bytes.length || 1), 1e9));
  return measured.digest();
};

const frame = (header: object | string, content = "") => {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(json.length);
  return gzipSync(Buffer.concat([length, json, Buffer.from(content)]));
};

describe("the archive of files", () => {
  for (const size of [1_000, 1024 * 1024]) {
    it(`returns files of all sizes, and only the wanted ones, from pieces of ${size} bytes`, async (t) => {
      const { bytes, digest } = await pack(await directoryOf(t, { ...files, "debug.log": Buffer.from("line") }));
      const target = join(await directoryOf(t), "profile");
      await unpackFiles(piecesOf(bytes, size), target, digest);
      for (const [path, content] of Object.entries(files))
        assert.ok(content.equals(await readFile(join(target, path))));
      const found = await readdir(target, { recursive: true, withFileTypes: true });
      assert.equal(found.filter((entry) => entry.isFile()).length, Object.keys(files).length);
    });
  }

  it("is the same for the same files", async (t) => {
    const [one, other] = [await pack(await directoryOf(t, files)), await pack(await directoryOf(t, files))];
    assert.deepEqual(one.digest, other.digest);
  });

  it("is refused as soon as it grows too large", async (t) => {
    const noise = Buffer.from(Array.from({ length: 5_000 }, (_, i) => (i * 2_654_435_761) % 251));
    const directory = await directoryOf(t, { noise });
    const { digest } = await pack(directory);
    await pack(directory, digest.size);
    await assert.rejects(pack(directory, digest.size - 1), (error: unknown) => {
      return error instanceof ArchiveUnusable && /larger than/.test(error.message);
    });
  });

  const torn: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
    "is empty": () => Buffer.alloc(0),
    "lacks its last byte": (bytes) => bytes.subarray(0, -1),
    "lacks its second half": (bytes) => bytes.subarray(0, bytes.length / 2),
    "lacks a part in the middle": (bytes) => Buffer.concat([bytes.subarray(0, 1_000), bytes.subarray(2_000)]),
    "has a byte changed": (bytes) => Buffer.from(bytes).fill(bytes.readUInt8(1_500) ^ 1, 1_500, 1_501),
    "has a byte more": (bytes) => Buffer.concat([bytes, Buffer.from([0])]),
    "is another one": () => frame({ path: "other", size: 0 }),
  };
  for (const [what, tear] of Object.entries(torn)) {
    it(`is refused if it ${what}`, async (t) => {
      const { bytes, digest } = await pack(await directoryOf(t, files));
      const target = join(await directoryOf(t), "profile");
      await assert.rejects(unpackFiles(piecesOf(tear(bytes), 1_000), target, digest), ArchiveUnusable);
    });
  }

  for (const [what, bytes] of Object.entries({
    "names a file outside of its directory": frame({ path: "../outside", size: 1 }, "x"),
    "has a header that is no JSON": frame("no json"),
    "ends within a file": frame({ path: "file", size: 9 }, "x"),
    "ends within a header": gzipSync(Buffer.from([0, 0, 0, 9, 1])),
  })) {
    it(`is refused if it ${what}, even with the right digest`, async (t) => {
      const target = join(await directoryOf(t), "profile");
      await assert.rejects(unpackFiles(piecesOf(bytes, 10), target, await digestOf(bytes)), ArchiveUnusable);
      assert.deepEqual(
        (await readdir(dirname(target))).filter((name) => name === "outside"),
        [],
      );
    });
  }

  for (const [error, expected] of [
    [new SealBroken("wrong key"), ArchiveUnusable],
    [new StoreUnavailable(new Error("away")), StoreUnavailable],
  ] as const) {
    it(`reports ${error.name} of its store as ${expected.name}`, async (t) => {
      const { bytes, digest } = await pack(await directoryOf(t, files));
      async function* failing() {
        yield bytes.subarray(0, 1_000);
        throw error;
      }
      await assert.rejects(unpackFiles(failing(), join(await directoryOf(t), "profile"), digest), expected);
    });
  }
});
