import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { openLevelBackend } from "../../../src/adapters/level/backend.ts";
import type { LevelOptions, LevelStore } from "../../../src/adapters/level/level-store.ts";
import type { Clock } from "../../../src/ports/system.ts";

/** A directory for a store, with a function that opens it. */
export interface StoreDirectory {
  readonly path: string;
  open(clock: Clock, options?: Partial<LevelOptions>): Promise<LevelStore>;
}

/** A directory that is removed when the test ends, after the stores in it were closed. */
export async function storeDirectory(t: TestContext): Promise<StoreDirectory> {
  const parent = await mkdtemp(join(tmpdir(), "sessiond-level-"));
  const path = join(parent, "store");
  const opened: LevelStore[] = [];
  t.after(async () => {
    for (const backend of opened) await backend.upkeep.close();
    await rm(parent, { recursive: true, force: true });
  });
  return {
    path,
    async open(clock, options = {}) {
      const backend = await openLevelBackend({ directory: path, clock, ...options });
      opened.push(backend);
      return backend;
    },
  };
}
