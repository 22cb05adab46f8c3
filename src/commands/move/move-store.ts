import type { EntryFamily, EntryReader, StoreSource, StoreTarget } from "../../ports/transfer.ts";
import { EntryDigest } from "./digest.ts";

/** All families, those first that are few. As keys, so that the compiler misses none. */
const isMoved: Readonly<Record<EntryFamily, true>> = {
  session: true,
  messages: true,
  endpoint: true,
  pendingUnlink: true,
  consumer: true,
  trimmed: true,
  credentials: true,
  chats: true,
  event: true,
  pending: true,
  delivered: true,
  failed: true,
  outgoing: true,
};
const families = Object.keys(isMoved).filter((name): name is EntryFamily => name in isMoved);

/** Commands that the notes in the stores name. */
export interface MoveCommands {
  /** Does this move again. */
  readonly again: string;
  /** Moves the store back. */
  readonly undo: string;
}

/** Called as a move goes on. */
export interface MoveProgress {
  /** Entries of a family were copied, `count` in all so far; `isDone` with the last ones. */
  copied(family: EntryFamily, count: number, isDone: boolean): void;
  /** All entries are copied and are being read back. */
  checking(): void;
}

/** The store was not moved, and goes on where it is. */
export class MoveRefused extends Error {
  override readonly name = "MoveRefused";
}

/**
 * Moves a store. Can be repeated after a crash at any point: until the entries are read back, the source alone can be opened by a server;
 * then, for a moment, neither; from then on the target alone. Returns false if the store had been moved there before.
 */
export async function moveStore(
  source: StoreSource,
  target: StoreTarget,
  commands: MoveCommands,
  progress: MoveProgress,
): Promise<boolean> {
  if (target.isUsed && source.movedTo?.id === target.ref.id) return false;
  checkPair(source, target);
  try {
    await target.begin(source.ref, commands.again);
    await copyEntries(source, target, progress);
    await source.retire(target.ref, commands.undo);
    await target.activate(source.marks);
  } catch (cause) {
    if (cause instanceof MoveRefused) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`the move was interrupted, nothing is lost: ${reason}. Run the same command again`, { cause });
  }
  return true;
}

async function copyEntries(source: StoreSource, target: StoreTarget, progress: MoveProgress): Promise<void> {
  const copied = new Map<EntryFamily, EntryDigest>();
  for (const family of families) copied.set(family, await copyFamily(source, target, family, progress));
  progress.checking();
  for (const [family, digest] of copied) await checkFamily(target, family, digest);
}

/** Counts and digests of a store's entries. */
export async function digestsOf(store: EntryReader): Promise<Record<string, { count: number; hex: string }>> {
  const digests: Record<string, { count: number; hex: string }> = {};
  for (const family of families) {
    const { count, hex } = await digestOf(store, family);
    digests[family] = { count, hex };
  }
  return digests;
}

function checkPair(source: StoreSource, target: StoreTarget): void {
  const { movedTo } = source;
  if (movedTo && movedTo.id !== target.ref.id) {
    throw new MoveRefused(
      `${source.ref.place} was moved to ${movedTo.place} already, where its sessions go on: move that one`,
    );
  }
  if (target.isUsed) {
    throw new MoveRefused(`${target.ref.place} is not empty: choose an empty one. Stores cannot be merged`);
  }
  const { importedFrom } = target;
  if (importedFrom && importedFrom.id !== source.ref.id) {
    throw new MoveRefused(
      `${target.ref.place} is being filled from ${importedFrom.place}: finish that move, or choose another target`,
    );
  }
}

async function copyFamily(source: StoreSource, target: StoreTarget, family: EntryFamily, progress: MoveProgress) {
  const digest = new EntryDigest();
  for await (const entries of source.entries(family)) {
    await target.add(family, entries);
    digest.add(entries);
    progress.copied(family, digest.count, false);
  }
  progress.copied(family, digest.count, true);
  return digest;
}

async function checkFamily(target: StoreTarget, family: EntryFamily, expected: EntryDigest): Promise<void> {
  const found = await digestOf(target, family);
  if (found.count === expected.count && found.hex === expected.hex) return;
  throw new MoveRefused(
    `${target.ref.place} does not hold what was written to it (${family}: ${found.count} of ${expected.count} entries): check its disk, ` +
      "then move again",
  );
}

async function digestOf(store: EntryReader, family: EntryFamily): Promise<EntryDigest> {
  const digest = new EntryDigest();
  for await (const entries of store.entries(family)) digest.add(entries);
  return digest;
}
