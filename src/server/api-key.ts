import { syncDirectory } from "../adapters/level/store/data-directory.ts";
import { createKeyVerifier, loadOrCreateKey } from "../adapters/node/api-key.ts";
import type { Config, Secrets } from "../config/config.ts";
import type { Logger } from "../ports/system.ts";

/** Returns the check of API keys; undefined if no key is needed. Makes a key at the first start where the configuration asks for that. */
export async function openApiKey(directory: string, { access }: Config, { apiKey }: Secrets, logger: Logger) {
  const setting = access === "generated_key" ? await generatedKey(directory, logger) : apiKey;
  return setting === undefined ? undefined : createKeyVerifier(setting);
}

/** Returns the stored hash of the server's own key. The key is a secret, so it is printed to the console and never logged. */
async function generatedKey(directory: string, logger: Logger): Promise<string> {
  const path = `${directory}/api-key.sha512`;
  const show = (key: string) =>
    print(`
No WAHA_API_KEY is set, and the server listens beyond this machine. So it has made an API key:

  ${key}

Send it as X-Api-Key. It is not shown again: only its hash is kept, in ${path}.
For another key delete that file, or set WAHA_API_KEY; for none at all set WAHA_NO_API_KEY=true.
`);
  const { setting, isNew } = await loadOrCreateKey(path, { show, syncDirectory });
  if (!isNew) logger.info({ path }, "the API key is the one made at the first start");
  return setting;
}

/** Resolves when the console has taken the text. */
const print = (text: string) =>
  new Promise<void>((resolve, reject) => {
    process.stdout.write(`${text}\n`, (error) => (error ? reject(error) : resolve()));
  });
