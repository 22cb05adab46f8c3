import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { openLevelBackend } from "../../../src/adapters/level/backend.ts";
import type { Backend } from "../../../src/ports/backend.ts";
import type { Clock } from "../../../src/ports/system.ts";

/** A directory for a store, and what opens it. */
export interface StoreDirectory {
  readonly path: string;
  open(clock: Clock): Promise<Backend>;
}

/** A directory that goes when the test ends, after whatever was opened in it is closed. */
export async function storeDirectory(t: TestContext): Promise<StoreDirectory> {
  const path = await mkdtemp(join(tmpdir(), "sessiond-level-"));
  const opened: Backend[] = [];
  t.after(async () => {
    for (const backend of opened) await backend.close();
    await rm(path, { recursive: true, force: true });
  });
  return {
    path,
    async open(clock) {
      const backend = await openLevelBackend({ directory: path, clock });
      opened.push(backend);
      return backend;
    },
  };
}
