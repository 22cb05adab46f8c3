/** Linking by pairing code: the exchange between client and phone through the server. */
import { createCipheriv, createDecipheriv, hkdfSync, pbkdf2, randomBytes } from "node:crypto";
import { promisify } from "node:util";
import { jidDecode, S_WHATSAPP_NET } from "@whiskeysockets/baileys";
import type { LinkedDevice } from "./device.ts";
import { generateKeyPair, type KeyPair, sharedSecret } from "./keys.ts";
import { newMessageId } from "./messages.ts";
import { type Candidate, linkDevice } from "./pairing.ts";
import type { Phone } from "./phone.ts";
import { type BinaryNode, child, childBytes, QueryError, stanza, unixTime } from "./stanza.ts";
import type { WhatsApp } from "./whatsapp.ts";

/** A client that asked for a code and waits until the phone's owner types it. */
export interface LinkCodeRequest {
  readonly candidate: Candidate;
  readonly number: string;
  readonly ref: Buffer;
  readonly wrappedCompanionKey: Buffer;
  /** Receives the client's answer while a typed code is checked. Throws if the answer is wrong. */
  finish: ((message: BinaryNode) => void) | undefined;
}

const derivePassword = promisify(pbkdf2);
const iterations = 131_072;
const saltBytes = 32;
const ivBytes = 16;
const gcmIvBytes = 12;
const gcmTagBytes = 16;
const numberForm = /^\d{7,15}$/;

/** Answers a client's `link_code_companion_reg`: its request for a code, or its answer to a typed one. */
export function takeLinkCode(whatsapp: WhatsApp, candidate: Candidate, iq: BinaryNode): BinaryNode[] {
  const message = child(iq, "link_code_companion_reg");
  if (message?.attrs.stage === "companion_hello") return [requestCode(whatsapp, candidate, message)];
  const request = whatsapp.linkCodes.find((one) => one.candidate === candidate);
  if (message?.attrs.stage !== "companion_finish" || !request?.finish) throw new QueryError(400, "bad-request");
  request.finish(message);
  return [];
}

function requestCode(whatsapp: WhatsApp, candidate: Candidate, message: BinaryNode): BinaryNode {
  const number = jidDecode(message.attrs.jid)?.user ?? "";
  if (whatsapp.linkCodeRefusal) throw new QueryError(400, whatsapp.linkCodeRefusal);
  if (!numberForm.test(number)) throw new QueryError(400, "bad-request");
  const wrappedCompanionKey = childBytes(message, "link_code_pairing_wrapped_companion_ephemeral_pub");
  const ref = Buffer.from(`3@${randomBytes(24).toString("base64")}`);
  whatsapp.addLinkCode({ candidate, number, ref, wrappedCompanionKey, finish: undefined });
  const content = [stanza("link_code_pairing_ref", {}, ref)];
  return stanza("link_code_companion_reg", { stage: "companion_hello" }, content);
}

/** Types a code on a phone. Rejects with "wrong code", or if no client asked for a code for this number. */
export async function enterCode(whatsapp: WhatsApp, phone: Phone, code: string): Promise<LinkedDevice> {
  const request = whatsapp.linkCodes.findLast(({ number, candidate }) => number === phone.number && !candidate.taken);
  if (!request) throw new Error("no client asked for a code for this number");
  const { candidate } = request;
  const password = code.replaceAll("-", "").toUpperCase();
  const companionKey = await unwrapKey(password, request.wrappedCompanionKey);
  const ephemeral = generateKeyPair();
  const wrapped = await wrapKey(password, ephemeral.publicKey);
  const { promise: advSecret, resolve, reject } = Promise.withResolvers<Buffer>();
  request.finish = (message) => {
    try {
      const secret = sharedSecret(ephemeral.privateKey, companionKey);
      const found = openBundle(phone.signal.identity, secret, candidate, message);
      // The client expects the answer to this message before the next step.
      setImmediate(() => resolve(found));
    } catch {
      reject(new Error("wrong code"));
      throw new QueryError(400, "bad-request");
    }
  };
  const attributes = { from: S_WHATSAPP_NET, type: "link_code_companion_reg", id: newMessageId(), t: unixTime() };
  candidate.connection.send(
    stanza("notification", attributes, [
      stanza("link_code_companion_reg", { stage: "primary_hello" }, [
        stanza("link_code_pairing_wrapped_primary_ephemeral_pub", {}, wrapped),
        stanza("primary_identity_pub", {}, phone.signal.identity.publicKey),
        stanza("link_code_pairing_ref", {}, request.ref),
      ]),
    ]),
  );
  void candidate.connection.ended.then(() => reject(new Error("the client hung up")));
  return linkDevice(whatsapp, phone, candidate, await advSecret);
}

// Decrypts the client's bundle. A wrong code leads to a wrong key, so the tag does not match.
function openBundle(identity: KeyPair, secret: Buffer, candidate: Candidate, message: BinaryNode): Buffer {
  const bundle = childBytes(message, "link_code_pairing_wrapped_key_bundle");
  const salt = bundle.subarray(0, saltBytes);
  const iv = bundle.subarray(saltBytes, saltBytes + gcmIvBytes);
  const key = hkdfSync("sha256", secret, salt, "link_code_pairing_key_bundle_encryption_key", 32);
  const decipher = createDecipheriv("aes-256-gcm", Buffer.from(key), iv, { authTagLength: gcmTagBytes });
  decipher.setAuthTag(bundle.subarray(-gcmTagBytes));
  const ciphertext = bundle.subarray(saltBytes + gcmIvBytes, -gcmTagBytes);
  const plaintext = Buffer.concat([decipher.update(ciphertext), decipher.final()]);
  const companionIdentity = plaintext.subarray(0, 32);
  const random = plaintext.subarray(64, 96);
  if (!companionIdentity.equals(candidate.keys.identityKey)) throw new Error("the bundle has another identity");
  if (!plaintext.subarray(32, 64).equals(identity.publicKey)) throw new Error("the bundle is for another phone");
  const secrets = Buffer.concat([secret, sharedSecret(identity.privateKey, companionIdentity), random]);
  return Buffer.from(hkdfSync("sha256", secrets, Buffer.alloc(0), "adv_secret", 32));
}

async function wrapKey(password: string, publicKey: Buffer): Promise<Buffer> {
  const salt = randomBytes(saltBytes);
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv("aes-256-ctr", await derivePassword(password, salt, iterations, 32, "sha256"), iv);
  return Buffer.concat([salt, iv, cipher.update(publicKey), cipher.final()]);
}

async function unwrapKey(password: string, wrapped: Buffer): Promise<Buffer> {
  const salt = wrapped.subarray(0, saltBytes);
  const iv = wrapped.subarray(saltBytes, saltBytes + ivBytes);
  const key = await derivePassword(password, salt, iterations, 32, "sha256");
  const decipher = createDecipheriv("aes-256-ctr", key, iv);
  return Buffer.concat([decipher.update(wrapped.subarray(saltBytes + ivBytes)), decipher.final()]);
}
