import type { WebClient } from "./client.ts";

/** A page that is to be unlinked, and what it goes through. */
export interface Unlinkable {
  readonly client: WebClient;
  /** Resolves when the page is connected as a device of the account. */
  readonly connected: Promise<void>;
  /** Resolves when it has synchronised, too. */
  readonly loggedIn: Promise<void>;
}

/**
 * Removes the device from the account once the page is connected. If the page refuses to before it has synchronised, it is asked again
 * then. Rejects if it refuses that, too.
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
