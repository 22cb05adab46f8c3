import assert from "node:assert/strict";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { CredentialsUnreadable } from "../../../src/adapters/engine/credentials.ts";
import { createWwebjsFactory } from "../../../src/adapters/wwebjs/factory.ts";
import { Profile } from "../../../src/adapters/wwebjs/profile.ts";
import { archiveOf } from "../../support/memory-cluster.ts";
import { WebjsFixture, type WebjsSession } from "./webjs-fixture.ts";

let fixture: WebjsFixture;
before(async () => {
  fixture = await WebjsFixture.start();
});
after(() => fixture.close());

/** The archives of one session, as one lease after another sees them. */
class Archives {
  readonly stored = new Map<string, Map<string, Uint8Array>>();
  #epoch = 0n;

  next() {
    this.#epoch += 1n;
    return archiveOf({ session: "alice", epoch: this.#epoch, lost: new AbortController().signal }, this.stored);
  }

  /** The bytes of the last one; undefined if it was removed. */
  get last(): Uint8Array | undefined {
    return this.stored.get("alice")?.get(String(this.#epoch));
  }
}

/** The same session on a machine that has nothing of it. */
function elsewhere({ options }: WebjsSession) {
  const profilesDirectory = `${options.profilesDirectory}-elsewhere`;
  return { profilesDirectory, factory: createWwebjsFactory({ ...options, profilesDirectory }) };
}

describe("a login in a browser's profile", () => {
  it("moves to another machine and back in an archive, without a new code", async () => {
    const session = fixture.session();
    const archives = new Archives();
    const { credentials, factory } = session;
    const other = elsewhere(session);
    await (await session.working()).engine.close();
    await factory.files?.pack?.("alice", credentials, archives.next());
    const size = archives.last?.length ?? 0;
    assert.ok(size > 0 && size < 4 * 1024 * 1024, `${size} bytes`);

    session.archive = archives.next();
    const moved = session.open(other.factory);
    await moved.until("opened");
    assert.deepEqual(
      moved.seen.map(({ type }) => type),
      ["opened"],
    );
    assert.equal(archives.stored.size, 0, "the archive is out of date from now on");
    await moved.engine.close();

    await other.factory.files?.pack?.("alice", credentials, archives.next());
    const [profile = ""] = await session.profiles();
    await writeFile(join(profile, "outdated"), "");
    session.archive = archives.next();
    const back = session.open();
    await back.until("opened");
    assert.ok(!(await readdir(profile)).includes("outdated"));
    await back.engine.close();
  });

  it("is not used from a torn archive, nor replaced, and is not lost by that", async (t) => {
    const session = fixture.session();
    const archives = new Archives();
    const { credentials, factory, options } = session;
    const other = elsewhere(session);
    await (await session.working()).engine.close();
    await factory.files?.pack?.("alice", credentials, archives.next());
    const whole = archives.last ?? assert.fail();
    const marker = credentials.values.get("profile");

    const open = (directory: string, archive = archives.next()) =>
      Profile.open(directory, "alice", credentials, archive);
    for (const torn of [whole.subarray(0, -1), whole.subarray(0, whole.length / 2), new Uint8Array()]) {
      archives.stored.set("alice", new Map([["1", torn]]));
      await assert.rejects(open(other.profilesDirectory), CredentialsUnreadable);
      await assert.rejects(
        open(options.profilesDirectory),
        CredentialsUnreadable,
        "its old directory may be out of date",
      );
    }
    await assert.rejects(Profile.open(options.profilesDirectory, "alice", credentials), CredentialsUnreadable);
    assert.deepEqual(credentials.values.get("profile"), marker);
    archives.stored.set("alice", new Map([["1", whole]]));
    const profile = await open(other.profilesDirectory);
    t.after(() => profile.tidy());
    assert.equal(profile.login.state, "paired");
  });
});
