import { hash as digest, randomBytes, timingSafeEqual } from "node:crypto";
import { open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";

/** Prefix of a setting that holds a hash instead of a key, as in WAHA. */
const hashPrefix = "sha512:";
const hashSetting = /^sha512:[0-9a-f]{128}$/i;
const bareHash = /^[0-9a-f]{128}$/i;
const keyBytes = 32;
/** Name of the hash among the values that the nodes of a cluster share. */
export const sharedKeyName = "api-key.sha512";

/**
 * Returns a function that checks keys in constant time against a setting: a plain key, or "sha512:" and its hash in hexadecimal. 128
 * bare hexadecimal digits may be either, so both are accepted. Keys are header values: one character per byte.
 */
export function createKeyVerifier(setting: string): (presented: string) => boolean {
  const digits = setting.startsWith(hashPrefix) ? setting.slice(hashPrefix.length) : setting;
  const hashes = [
    ...(setting.startsWith(hashPrefix) ? [] : [sha512(Buffer.from(setting))]),
    ...(bareHash.test(digits) ? [Buffer.from(digits, "hex")] : []),
  ];
  const lastValid = new LastKey();
  return (presented) => {
    if (lastValid.matches(presented)) return true;
    const hash = sha512(Buffer.from(presented, "latin1"));
    let isValid = false;
    for (const expected of hashes) isValid = timingSafeEqual(hash, expected) || isValid;
    if (isValid) lastValid.set(presented);
    return isValid;
  };
}

/** Longer keys are hashed each time. */
const maxRememberedBytes = 256;

/**
 * The last valid key, which nearly all calls present. Comparing with it takes a sixth of the time of hashing. All 256 bytes are always
 * compared, and another key is hashed as before: the time of an answer tells neither the key nor its length.
 */
class LastKey {
  readonly #key = Buffer.alloc(maxRememberedBytes);
  readonly #presented = Buffer.alloc(maxRememberedBytes);
  #length: number | undefined;

  matches(presented: string): boolean {
    this.#presented.fill(0).write(presented, "latin1");
    // Zeros at the end of a key look like those that fill the buffer.
    return timingSafeEqual(this.#presented, this.#key) && presented.length === this.#length;
  }

  set(key: string): void {
    if (key.length > maxRememberedBytes) return;
    this.#key.fill(0).write(key, "latin1");
    this.#length = key.length;
  }
}

/** Callbacks for the creation of a key. */
export interface KeyCreation {
  /** Shows the new key to the operator. The key is valid only after that resolves. */
  show(key: string): Promise<void>;
  /** Flushes a renamed file in a directory to disk, if the file system can. */
  syncDirectory(path: string): Promise<void>;
}

/** Hash of a stored key. */
export interface StoredKey {
  /** Setting for the key verifier. */
  readonly setting: string;
  readonly isNew: boolean;
}

/**
 * Reads the hash of a key from a file. If the file is missing, creates a key, shows it and then stores its hash, so that a key not
 * shown is never valid. Rejects if the file holds anything else, or the key cannot be shown.
 */
export async function loadOrCreateKey(path: string, { show, syncDirectory }: KeyCreation): Promise<StoredKey> {
  const stored = await readStoredKey(path);
  if (stored !== undefined) return { setting: stored, isNew: false };
  const key = randomBytes(keyBytes).toString("hex");
  const setting = hashedKey(key);
  const draft = draftOf(path);
  await writeDraft(draft, `${setting}\n`);
  await show(key);
  await rename(draft, path);
  await syncDirectory(dirname(path));
  return { setting, isNew: true };
}

/** Stores the hash of a key that was made elsewhere. It is on disk when this resolves. */
export async function storeKey(
  path: string,
  setting: string,
  syncDirectory: KeyCreation["syncDirectory"],
): Promise<void> {
  await writeDraft(draftOf(path), `${setting}\n`);
  await rename(draftOf(path), path);
  await syncDirectory(dirname(path));
}

const draftOf = (path: string): string => `${path}.new`;

/** Reads the hash of a key from a file; undefined if it is missing. Rejects if the file holds anything else. */
export async function readStoredKey(path: string): Promise<string | undefined> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  const setting = text?.trim();
  if (setting === undefined || hashSetting.test(setting)) return setting;
  throw new Error(`${path} holds no hash of an API key; delete it to get a new key`);
}

/** Returns the setting that accepts a key without naming it. */
export const hashedKey = (key: string): string => hashPrefix + sha512(Buffer.from(key)).toString("hex");

const sha512 = (data: Buffer): Buffer => digest("sha512", data, "buffer");

/** Writes a text to a file and flushes it to disk. */
async function writeDraft(path: string, text: string): Promise<void> {
  const file = await open(path, "w", 0o600);
  try {
    // A file left by a crash may have another mode.
    await file.chmod(0o600);
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}
