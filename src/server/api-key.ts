import { hkdfSync } from "node:crypto";
import { syncDirectory } from "../adapters/level/store/data-directory.ts";
import {
  createKeyVerifier,
  hashedKey,
  loadOrCreateKey,
  readStoredKey,
  sharedKeyName,
} from "../adapters/node/api-key.ts";
import type { Config, Secrets } from "../config/config.ts";
import type { Cluster } from "../ports/cluster.ts";
import type { Logger } from "../ports/system.ts";

/** The API key of this server. */
export interface AccessKey {
  /** The key, or "sha512:" and its hash. */
  readonly setting: string;
  verify(presented: string): boolean;
}

/**
 * Returns the key that callers need; undefined if none. Makes a key at the first start where the configuration asks for that: one for
 * all nodes of a cluster.
 */
export async function openApiKey(
  directory: string,
  { access }: Config,
  { apiKey }: Secrets,
  logger: Logger,
  cluster: Cluster | undefined,
): Promise<AccessKey | undefined> {
  const setting = access === "generated_key" ? await generatedKey(directory, logger, cluster) : apiKey;
  return setting === undefined ? undefined : { setting, verify: createKeyVerifier(setting) };
}

/** Returns the stored hash of the server's own key. The key is a secret, so it is printed to the console and never logged. */
async function generatedKey(directory: string, logger: Logger, cluster: Cluster | undefined): Promise<string> {
  const path = `${directory}/api-key.sha512`;
  if (cluster) return sharedKey(path, logger, cluster);
  const show = (key: string) =>
    print(`${introduction(key)} only its hash is kept, in ${path}.
For another key delete that file, or set WAHA_API_KEY; for none at all set WAHA_NO_API_KEY=true.
`);
  const { setting, isNew } = await loadOrCreateKey(path, { show, syncDirectory });
  if (!isNew) logger.info({ path }, "the API key is the one made at the first start");
  return setting;
}

/**
 * Returns the hash of the cluster's own key. Nodes that start for the first time together show the same key, as it is derived from the
 * secret of the cluster. A key that this node made before it joined becomes the cluster's, unless there is one.
 */
async function sharedKey(path: string, logger: Logger, { secret, values }: Cluster): Promise<string> {
  const own = await readStoredKey(path);
  let stored = textOf(await values.read(sharedKeyName));
  if (stored === undefined) {
    const key = Buffer.from(hkdfSync("sha256", secret, "", "sessiond api key 1", 32)).toString("hex");
    if (own === undefined) {
      await print(`${introduction(key)} only its hash is kept, in the store, for all nodes.
For another key set WAHA_API_KEY on all nodes; for none at all set WAHA_NO_API_KEY=true.
`);
    }
    stored = textOf(await values.add(sharedKeyName, Buffer.from(own ?? hashedKey(key)))) ?? "";
  } else logger.info({}, "the API key is the one made at the first start of the cluster");
  if (own !== undefined && own !== stored) {
    logger.warn({ path }, "the API key that this node had before it joined the cluster is no longer valid");
  }
  return stored;
}

const textOf = (value: Uint8Array | undefined): string | undefined => value && Buffer.from(value).toString();

const introduction = (key: string) => `
No WAHA_API_KEY is set, and the server listens beyond this machine. So it has made an API key:

  ${key}

Send it as X-Api-Key. It is not shown again:`;

/** Resolves when the console has taken the text. */
const print = (text: string) =>
  new Promise<void>((resolve, reject) => {
    process.stdout.write(`${text}\n`, (error) => (error ? reject(error) : resolve()));
  });
