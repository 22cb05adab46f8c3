import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openLevelBackend } from "../../../src/adapters/level/backend.ts";
import { systemClock } from "../../../src/adapters/node/system.ts";
import { createSession } from "../../contract/backend-fixtures.ts";

// Opens a store, writes to it, reads LevelDB's LOCK file, and holds the store until killed or the end of input.
const [directory = ""] = process.argv.slice(2);
try {
  const backend = await openLevelBackend({ directory, clock: systemClock });
  await createSession(backend, "alice", [], 3);
  // POSIX releases all locks of a process that closes any descriptor of the file.
  await readFile(join(directory, "LOCK"));
  process.stdout.write("open\n");
  process.stdin.on("end", () => void backend.upkeep.close()).resume();
} catch (error) {
  process.stdout.write(`refused: ${error instanceof Error ? error.message : error}\n`);
}
