import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";

/** How a setting says that it is not the key but its hash, as WAHA has it. */
const hashPrefix = "sha512:";
const hashSetting = /^sha512:[0-9a-f]{128}$/i;
const bareHash = /^[0-9a-f]{128}$/i;
const keyBytes = 32;

/**
 * Checks keys against a setting: the plain key, or "sha512:" and its hash in hexadecimal; of 128 bare hexadecimal digits, which may be
 * either, both keys are right. Keys come as headers do, a character for each byte. A wrong one takes as long as the right one.
 */
export function keyVerifier(setting: string): (presented: string) => boolean {
  const digits = setting.startsWith(hashPrefix) ? setting.slice(hashPrefix.length) : setting;
  const hashes = [
    ...(setting.startsWith(hashPrefix) ? [] : [sha512(Buffer.from(setting))]),
    ...(bareHash.test(digits) ? [Buffer.from(digits, "hex")] : []),
  ];
  return (presented) => {
    const hash = sha512(Buffer.from(presented, "latin1"));
    return hashes.map((expected) => timingSafeEqual(hash, expected)).includes(true);
  };
}

/** How a key is made where there is none. */
export interface KeyMaking {
  /** Shows the new key to the people who run the server. It is not in force before that resolves. */
  show(key: string): Promise<void>;
  /** Makes a renamed file in a directory outlive a power failure, as far as the file system can. */
  syncDirectory(path: string): Promise<void>;
}

/** A key by the hash that is kept of it. */
export interface KeptKey {
  /** As `keyVerifier` takes it. */
  readonly setting: string;
  readonly isNew: boolean;
}

/**
 * Reads the hash in a file; where there is no file, makes a key, shows it and then keeps its hash there: a key that nobody has seen is
 * never in force. Rejects if the file holds anything else, or the key cannot be shown.
 */
export async function keptKey(path: string, { show, syncDirectory }: KeyMaking): Promise<KeptKey> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (text === undefined) {
    const key = randomBytes(keyBytes).toString("hex");
    const setting = hashPrefix + sha512(Buffer.from(key)).toString("hex");
    const draft = `${path}.new`;
    await writeDraft(draft, `${setting}\n`);
    await show(key);
    await rename(draft, path);
    await syncDirectory(dirname(path));
    return { setting, isNew: true };
  }
  const setting = text.trim();
  if (!hashSetting.test(setting)) throw new Error(`${path} holds no hash of an API key; delete it to get a new key`);
  return { setting, isNew: false };
}

const sha512 = (data: Buffer): Buffer => createHash("sha512").update(data).digest();

/** The text is on the disk when it resolves. */
async function writeDraft(path: string, text: string): Promise<void> {
  const file = await open(path, "w", 0o600);
  try {
    // What a crash left there may have another mode.
    await file.chmod(0o600);
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}
