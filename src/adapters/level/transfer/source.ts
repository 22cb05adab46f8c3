import type { StoreMarks, StoreSource } from "../../../ports/transfer.ts";
import { readLastWrittenMs } from "../store/clock-mark.ts";
import { holdsStore } from "../store/data-directory.ts";
import type { Database } from "../store/database.ts";
import { numberOf } from "../store/key.ts";
import { moveAdditions } from "../store/move-mark.ts";
import { lifeKey, pendingQueues, seqKey } from "../store/opening.ts";
import { readEntries } from "./entries.ts";
import { openMoving, refuseImporting, type TransferOptions, unusable } from "./opening.ts";

/** Opens the store in a directory for a move to another place. Rejects with a message that names the directory. */
export async function openLevelSource(options: TransferOptions): Promise<StoreSource> {
  const { directory } = options;
  if (!(await holdsStore(directory))) throw new Error(`there is no store in ${directory}`);
  const store = await openMoving(options);
  const { database, ref, move, write, close } = store;
  try {
    refuseImporting(directory, move);
    if (!move) await write(store.identity);
    return {
      ref,
      marks: await readMarks(database),
      movedTo: move?.other,
      entries: (family) => readEntries(database, family),
      retire: (other, command) => write(moveAdditions({ state: "moved", other, command })),
      close,
    };
  } catch (cause) {
    await close();
    throw cause instanceof Error && cause.message.includes(directory) ? cause : unusable(directory, cause);
  }
}

async function readMarks(database: Database): Promise<StoreMarks> {
  const [life, seq] = await database.getMany([lifeKey, seqKey]);
  const lastSeq = seq ? numberOf(seq) : 0n;
  const clockMs = await readLastWrittenMs(database, lastSeq, await pendingQueues(database));
  return { lastSeq, lives: life ? numberOf(life) : 0n, clockMs };
}
