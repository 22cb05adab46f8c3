import type { WebClient } from "./client.ts";

/** A page to unlink, and its progress. */
export interface Unlinkable {
  readonly client: WebClient;
  /** Resolves when the page is connected as a device of the account. */
  readonly connected: Promise<void>;
  /** Resolves when it has synchronised as well. */
  readonly loggedIn: Promise<void>;
}

/**
 * Removes the device from the account once the page is connected. If the page refuses before it has synchronised, asks it again
 * afterwards. Rejects if it refuses again.
 */
export async function unlinkDevice({ client, connected, loggedIn }: Unlinkable): Promise<void> {
  await connected;
  try {
    await client.unlink();
  } catch {
    await loggedIn;
    await client.unlink();
  }
}
