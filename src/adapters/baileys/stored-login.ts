import {
  type AuthenticationCreds,
  BufferJSON,
  type KeyPair,
  proto,
  type SignalDataTypeMap,
} from "@whiskeysockets/baileys";
import type { Credentials } from "../../ports/engine.ts";
import { LeaseLost } from "../../ports/sessions.ts";

/** Stored credentials are there and cannot be read: neither a reason for a new identity nor to write anything. */
export class CredentialsUnreadable extends Error {
  override readonly name = "CredentialsUnreadable";
}

/** Where the login is kept, and the one it was when the session last connected. */
export const credsKey = "creds";
export const keptKey = "creds.kept";
/** Where a Signal key is kept. */
export const signalKey = (type: string, id: string) => `${type}:${id}`;

/** A login whose present numbers are unknown goes on this far from its last known ones: no pre-key is ever used for two. */
const preKeyLeap = 1_000;

/** Reads from the store. Rejects with CredentialsUnreadable or LeaseLost. */
export async function readStored(credentials: Credentials, keys: readonly string[]) {
  try {
    return await credentials.read(keys);
  } catch (error) {
    if (error instanceof LeaseLost) throw error;
    throw new CredentialsUnreadable("The stored login could not be read", { cause: error });
  }
}

/** A value as it is stored. */
export const encode = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value, BufferJSON.replacer));

function decode(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString(), BufferJSON.reviver);
  } catch {
    // The parser's message quotes what it has read.
    throw new CredentialsUnreadable("The stored login is damaged");
  }
}

/** A stored Signal key. Throws CredentialsUnreadable. */
export function signalValueOf<T extends keyof SignalDataTypeMap>(type: T, bytes: Uint8Array): SignalDataTypeMap[T] {
  const value = decode(bytes);
  if (value === null || value === undefined) throw new CredentialsUnreadable("The stored login is damaged");
  // Baileys works with its protobuf class here (its useMultiFileAuthState).
  const key = type === "app-state-sync-key" ? proto.Message.AppStateSyncKeyData.fromObject(value) : value;
  return key as SignalDataTypeMap[T];
}

/** Stored creds. Throws CredentialsUnreadable. */
export function credsOf(bytes: Uint8Array): AuthenticationCreds {
  const creds = decode(bytes);
  if (!isCreds(creds)) throw new CredentialsUnreadable("The stored login is incomplete");
  return creds;
}

/** Whether all is there that a login cannot do without. */
function isCreds(value: unknown): value is AuthenticationCreds {
  if (typeof value !== "object" || value === null) return false;
  const { noiseKey, pairingEphemeralKeyPair, signedIdentityKey, signedPreKey, registrationId, advSecretKey } =
    value as Partial<AuthenticationCreds>;
  return (
    [noiseKey, pairingEphemeralKeyPair, signedIdentityKey, signedPreKey?.keyPair].every(isKeyPair) &&
    Number.isInteger(registrationId) &&
    typeof advSecretKey === "string"
  );
}

const isKeyPair = (pair: Partial<KeyPair> | undefined): boolean =>
  pair?.public instanceof Uint8Array && pair.private instanceof Uint8Array;

/** Whether a phone has linked the device of these credentials. Rejects with CredentialsUnreadable or LeaseLost. */
export async function hasLogin(credentials: Credentials): Promise<boolean> {
  const [stored] = await readStored(credentials, [credsKey]);
  return stored !== undefined && credsOf(stored).account !== undefined;
}

/** Puts the kept login in place of the present one, which is kept in its stead; false if none is kept that can be used. */
export async function restoreKept(credentials: Credentials): Promise<boolean> {
  const [kept] = await readStored(credentials, [keptKey]);
  if (!kept) return false;
  const login = credsOf(kept);
  const present = await presentBytes(credentials);
  const next = present && nextPreKeyIdIn(present);
  const nextPreKeyId = next === undefined ? login.nextPreKeyId + preKeyLeap : Math.max(next, login.nextPreKeyId);
  const restored = encode({ ...login, nextPreKeyId, firstUnuploadedPreKeyId: nextPreKeyId });
  await credentials.write(new Map([[credsKey, restored], ...(present ? [[keptKey, present] as const] : [])]));
  return true;
}

async function presentBytes(credentials: Credentials): Promise<Uint8Array | undefined> {
  try {
    const [present] = await credentials.read([credsKey]);
    return present;
  } catch (error) {
    if (error instanceof LeaseLost) throw error;
    return undefined;
  }
}

function nextPreKeyIdIn(bytes: Uint8Array): number | undefined {
  try {
    return credsOf(bytes).nextPreKeyId;
  } catch {
    return undefined;
  }
}
