import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { CredentialsUnreadable } from "../../../src/adapters/engine/credentials.ts";
import { hasLogin } from "../../../src/adapters/wwebjs/login.ts";
import { moveProfile, Profile, sessionDirectory } from "../../../src/adapters/wwebjs/profile.ts";
import { MemoryEngineData } from "../../contract/engine-data.ts";

async function pairedProfile(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), "sessiond-profiles-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const credentials = new MemoryEngineData();
  const profile = await Profile.open(directory, "alice", credentials);
  t.after(() => profile.tidy());
  await profile.login.setPaired();
  await writeFile(join(profile.directory, "login"), "login");
  const filesOf = (owner: string) => readdir(sessionDirectory(directory, owner), { recursive: true }).catch(() => []);
  return { directory, credentials, profile, filesOf };
}

describe("a profile that is set aside", () => {
  it("belongs to its new owner, who opens it with the same credentials", async (t) => {
    const { directory, credentials, filesOf } = await pairedProfile(t);
    await moveProfile(directory, ["alice", "unlink:1"], credentials);
    assert.ok((await filesOf("unlink:1")).some((path) => path.endsWith("login")));
    const opened = await Profile.open(directory, "unlink:1", credentials);
    t.after(() => opened.tidy());
    assert.equal(opened.login.state, "paired");
    await assert.rejects(Profile.open(directory, "alice", credentials), CredentialsUnreadable);
  });

  it("is moved once, and never takes the next profile of the same session", async (t) => {
    const { directory, credentials, filesOf } = await pairedProfile(t);
    await moveProfile(directory, ["alice", "unlink:1"], credentials);
    const next = await Profile.open(directory, "alice", new MemoryEngineData());
    t.after(() => next.tidy());
    for (const _ of [1, 2]) await moveProfile(directory, ["alice", "unlink:1"], credentials);
    assert.equal((await filesOf("alice")).length, 1);
    await rm(sessionDirectory(directory, "unlink:1"), { recursive: true });
    await moveProfile(directory, ["alice", "unlink:1"], credentials);
    assert.deepEqual(await filesOf("unlink:1"), []);
  });

  it("does nothing where nothing was stored, or the profile is gone", async (t) => {
    const { directory, credentials } = await pairedProfile(t);
    await moveProfile(directory, ["alice", "unlink:1"], new MemoryEngineData());
    await rm(sessionDirectory(directory, "alice"), { recursive: true });
    await moveProfile(directory, ["alice", "unlink:1"], credentials);
    assert.deepEqual(await readdir(directory), []);
  });
});

describe("whether a profile holds a login", () => {
  it("is known from the moment a phone links it until that comes to nothing", async (t) => {
    const directory = await mkdtemp(join(tmpdir(), "sessiond-profiles-"));
    t.after(() => rm(directory, { recursive: true, force: true }));
    const credentials = new MemoryEngineData();
    assert.equal(await hasLogin(credentials), false);
    const profile = await Profile.open(directory, "alice", credentials);
    t.after(() => profile.tidy());
    const seen = [await hasLogin(credentials)];
    const { login } = profile;
    for (const step of [
      () => login.setLinking(),
      () => login.setUnpaired(),
      () => login.setLinking(),
      () => login.setPaired(),
      () => profile.retire(),
    ]) {
      await step();
      seen.push(await hasLogin(credentials));
    }
    assert.deepEqual(seen, [false, true, false, true, true, false]);
  });
});
