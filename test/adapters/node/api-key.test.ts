import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { syncDirectory } from "../../../src/adapters/level/store/data-directory.ts";
import { createKeyVerifier, loadOrCreateKey as loadOrCreateKeyAt } from "../../../src/adapters/node/api-key.ts";

/** WAHA's example: https://waha.devlike.pro/docs/how-to/security/ */
const example = {
  key: "00000000000000000000000000000000",
  hash: "98b6d128682e280b74b324ca82a6bae6e8a3f7174e0605bfd52eb9948fad8984854ec08f7652f32055c4a9f12b69add4850481d9503a7f2225501671d6124648",
};

describe("an API key", () => {
  for (const [form, setting] of [
    ["the plain key", example.key],
    ["its hash", `sha512:${example.hash}`],
    ["its hash in capitals", `sha512:${example.hash.toUpperCase()}`],
  ] as const) {
    it(`is verified against a setting that is ${form}`, () => {
      const verify = createKeyVerifier(setting);
      assert.equal(verify(example.key), true);
      for (const wrong of ["", "0", `${example.key}0`, example.key.slice(1), example.hash, `sha512:${example.hash}`]) {
        assert.equal(verify(wrong), false, wrong);
      }
    });
  }

  for (const [kind, key] of [
    ["short", "k"],
    ["other than ASCII", Buffer.from("schlüssel").toString("latin1")],
    ["of 256 bytes", "k".repeat(256)],
    ["longer", "k".repeat(257)],
  ] as const) {
    it(`that is ${kind} stays the only valid one after it was presented`, () => {
      const verify = createKeyVerifier(Buffer.from(key, "latin1").toString());
      const wrongKeys = [
        "",
        "\0",
        `${key}\0`,
        `${key}k`,
        key.slice(1),
        key.slice(0, -1),
        key.toUpperCase(),
        `x${key.slice(1)}`,
      ];
      for (let time = 0; time < 2; time += 1) {
        for (const wrong of wrongKeys) assert.equal(verify(wrong), false, wrong);
        assert.equal(verify(key), true);
      }
    });
  }

  it("that is a hash is accepted both as it is and as what it is the hash of, in turns", () => {
    const verify = createKeyVerifier(example.hash);
    for (const key of [example.key, example.hash, example.key, example.hash]) assert.equal(verify(key), true, key);
  });

  it("may have other characters than ASCII, as the bytes of its header", () => {
    const verify = createKeyVerifier("schlüssel");
    assert.equal(verify(Buffer.from("schlüssel").toString("latin1")), true);
    assert.equal(verify("schlussel"), false);
  });
});

/** Reads or creates the key. `generated` is the key shown. */
async function loadOrCreateKey(path: string) {
  let generated: string | undefined;
  const show = async (key: string) => {
    generated = key;
  };
  const { setting } = await loadOrCreateKeyAt(path, { show, syncDirectory });
  return { setting, ...(generated !== undefined && { generated }) };
}

describe("the API key of a server without a setting", () => {
  async function file(t: TestContext) {
    const directory = await mkdtemp(join(tmpdir(), "sessiond-key-"));
    t.after(() => rm(directory, { recursive: true }));
    return { directory, path: join(directory, "api-key.sha512") };
  }

  it("is created and shown once, and only its hash is stored, for the owner only", async (t) => {
    const { directory, path } = await file(t);
    const first = await loadOrCreateKey(path);
    assert.match(first.generated ?? "", /^[0-9a-f]{64}$/);
    assert.deepEqual(await loadOrCreateKey(path), { setting: first.setting });
    assert.equal(createKeyVerifier(first.setting)(first.generated ?? ""), true);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(directory), ["api-key.sha512"]);
    assert.equal((await readFile(path, "utf8")).includes(first.generated ?? ""), false);
  });

  it("is replaced after its hash was deleted", async (t) => {
    const { path } = await file(t);
    const first = await loadOrCreateKey(path);
    await rm(path);
    const second = await loadOrCreateKey(path);
    assert.notEqual(second.generated, first.generated);
    assert.equal(createKeyVerifier(second.setting)(first.generated ?? ""), false);
  });

  it("is created despite a file left by a crash", async (t) => {
    const { path } = await file(t);
    await writeFile(`${path}.new`, `sha512:${"0".repeat(200)}`, { mode: 0o644 });
    const { setting } = await loadOrCreateKey(path);
    assert.deepEqual(await loadOrCreateKey(path), { setting });
    assert.equal((await stat(path)).mode & 0o777, 0o600);
  });

  it("is not valid before it was shown", async (t) => {
    const { directory, path } = await file(t);
    const fails = { show: () => Promise.reject(new Error("the console is closed")), syncDirectory };
    await assert.rejects(loadOrCreateKeyAt(path, fails), /the console is closed/);
    assert.deepEqual(await readdir(directory), ["api-key.sha512.new"]);
    const shown: string[] = [];
    let keptWhenShown: string[] = [];
    const show = async (key: string) => {
      shown.push(key);
      keptWhenShown = await readdir(directory);
    };
    const { setting, isNew } = await loadOrCreateKeyAt(path, { show, syncDirectory });
    assert.deepEqual([isNew, shown.length, createKeyVerifier(setting)(shown[0] ?? "")], [true, 1, true]);
    assert.deepEqual(keptWhenShown, ["api-key.sha512.new"]);
    assert.equal((await loadOrCreateKeyAt(path, { show, syncDirectory })).isNew, false);
  });

  it("is not replaced if its hash is malformed", async (t) => {
    const { directory, path } = await file(t);
    for (const text of ["", "sha512:00", example.key]) {
      await writeFile(path, text);
      await assert.rejects(loadOrCreateKey(path), (error: Error) => {
        return /holds no hash of an API key/.test(error.message) && !error.message.includes(example.key);
      });
      assert.equal(await readFile(path, "utf8"), text);
    }
    await assert.rejects(loadOrCreateKey(directory), { code: "EISDIR" });
  });
});
