import type { Credentials } from "../../ports/engine.ts";
import { LeaseLost } from "../../ports/sessions.ts";

/** The stored login exists but cannot be read or used. The engine must neither replace it nor write anything. */
export class CredentialsUnreadable extends Error {
  override readonly name = "CredentialsUnreadable";
}

/** Reads values of the stored login. Rejects with CredentialsUnreadable or LeaseLost. */
export async function readCredentials(
  credentials: Credentials,
  keys: readonly string[],
): Promise<(Uint8Array | undefined)[]> {
  try {
    return await credentials.read(keys);
  } catch (error) {
    if (error instanceof LeaseLost) throw error;
    throw new CredentialsUnreadable("The stored login could not be read", { cause: error });
  }
}
