import { randomBytes } from "node:crypto";
import type { Connection } from "../store/connection.ts";
import type { Values } from "../store/values.ts";

const secretBytes = 32;

/** Returns the secret that all nodes of a store share. The first one makes it. */
export async function readSecret(connection: Connection, values: Values, store: string): Promise<Uint8Array> {
  const made = values.seal(randomBytes(secretBytes), "cluster", store);
  await connection.query("UPDATE sessiond.cluster SET secret = $1 WHERE secret IS NULL", [made]);
  const [row] = await connection.query<{ secret: Buffer }>("SELECT secret FROM sessiond.cluster");
  if (!row) throw new Error("its schema sessiond has no store");
  return new Uint8Array(values.open(row.secret, "cluster", store));
}
