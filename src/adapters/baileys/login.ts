import {
  type AuthenticationCreds,
  BufferJSON,
  type KeyPair,
  proto,
  type SignalDataTypeMap,
} from "@whiskeysockets/baileys";
import type { Credentials } from "../../ports/engine.ts";
import { CredentialsUnreadable, readCredentials } from "../engine/credentials.ts";

/** Key of the present login. */
export const credsKey = "creds";
/** Key of the login as it was when the session last connected. */
export const formerCredsKey = "creds.kept";
/** Returns the key of a Signal key. */
export const signalKey = (type: string, id: string) => `${type}:${id}`;

/** Added to the last known pre-key id where the present one cannot be read, so that no pre-key id is used twice. */
const preKeyLeap = 1_000;

/** Encodes a value for the store. */
export const encode = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value, BufferJSON.replacer));

function decode(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString(), BufferJSON.reviver);
  } catch {
    // The parser's message would quote the login.
    throw new CredentialsUnreadable("The stored login is damaged");
  }
}

/** Decodes a stored Signal key. Throws CredentialsUnreadable. */
export function decodeSignalKey<T extends keyof SignalDataTypeMap>(type: T, bytes: Uint8Array): SignalDataTypeMap[T] {
  const value = type === "session" ? decodeSession(bytes) : decode(bytes);
  if (value === null || value === undefined) throw new CredentialsUnreadable("The stored login is damaged");
  // Baileys expects its protobuf class here (its useMultiFileAuthState).
  const key = type === "app-state-sync-key" ? proto.Message.AppStateSyncKeyData.fromObject(value) : value;
  return key as SignalDataTypeMap[T];
}

/**
 * Decodes a Signal session, which is read several times for each message: libsignal writes its bytes as texts (its src/session_record.js),
 * and without a search for bytes it is decoded three times as fast.
 */
function decodeSession(bytes: Uint8Array): unknown {
  const stored = Buffer.from(bytes);
  if (stored.includes('"Buffer"')) return decode(bytes);
  try {
    return JSON.parse(stored.toString());
  } catch {
    return decode(bytes);
  }
}

/** Decodes stored creds. Throws CredentialsUnreadable. */
export function decodeCreds(bytes: Uint8Array): AuthenticationCreds {
  const creds = decode(bytes);
  if (!isCreds(creds)) throw new CredentialsUnreadable("The stored login is incomplete");
  return creds;
}

/** Returns whether a value has the fields that every login needs. */
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

/** Returns whether a phone has linked the device of these credentials. Rejects with CredentialsUnreadable or LeaseLost. */
export async function hasLogin(credentials: Credentials): Promise<boolean> {
  const [stored] = await readCredentials(credentials, [credsKey]);
  return stored !== undefined && decodeCreds(stored).account !== undefined;
}

/** Swaps the present login with the former one; false if there is none. Rejects with CredentialsUnreadable or LeaseLost. */
export async function restoreFormerLogin(credentials: Credentials): Promise<boolean> {
  const [former] = await readCredentials(credentials, [formerCredsKey]);
  if (!former) return false;
  const login = decodeCreds(former);
  const present = await readPresent(credentials);
  const next = present && nextPreKeyIdIn(present);
  const nextPreKeyId = next === undefined ? login.nextPreKeyId + preKeyLeap : Math.max(next, login.nextPreKeyId);
  const restored = encode({ ...login, nextPreKeyId, firstUnuploadedPreKeyId: nextPreKeyId });
  await credentials.write(new Map([[credsKey, restored], ...(present ? [[formerCredsKey, present] as const] : [])]));
  return true;
}

async function readPresent(credentials: Credentials): Promise<Uint8Array | undefined> {
  try {
    const [present] = await readCredentials(credentials, [credsKey]);
    return present;
  } catch (error) {
    if (error instanceof CredentialsUnreadable) return undefined;
    throw error;
  }
}

function nextPreKeyIdIn(bytes: Uint8Array): number | undefined {
  try {
    return decodeCreds(bytes).nextPreKeyId;
  } catch {
    return undefined;
  }
}
