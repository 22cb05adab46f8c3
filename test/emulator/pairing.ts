/** Linking a device: QR offers, the signed device identity (ADV), and pair-success. */
import { createHmac, randomBytes } from "node:crypto";
import { proto } from "@whiskeysockets/baileys";
import type { Connection } from "./connection.ts";
import { LinkedDevice } from "./device.ts";
import { DeviceKeys } from "./key-bundle.ts";
import { isSignedBy, sign } from "./keys.ts";
import type { HandshakeResult } from "./noise-server.ts";
import type { Phone } from "./phone.ts";
import { type BinaryNode, child, childBytes, stanza } from "./stanza.ts";
import type { WhatsApp } from "./whatsapp.ts";

/** A client that waits to be linked. */
export interface Candidate {
  readonly connection: Connection;
  readonly noiseKey: Buffer;
  readonly keys: DeviceKeys;
  /** QR refs of the client and the end of each one's validity, Unix ms. */
  readonly refs: ReadonlyMap<string, number>;
  /** What the phone's list of devices shows. */
  readonly shown: { readonly device: string; readonly browser: string };
  /** True if a phone has begun to link it. */
  taken: boolean;
}

const refCount = 6;
// Prefixes of an identity's two signatures: WA_ADV_ACCOUNT_SIG_PREFIX and WA_ADV_DEVICE_SIG_PREFIX in Baileys.
const accountSignaturePrefix = Buffer.of(6, 0);
const deviceSignaturePrefix = Buffer.of(6, 1);

/** Registers a client and offers it six refs for its QR codes. */
export function offerPairing(whatsapp: WhatsApp, connection: Connection, client: HandshakeResult): Candidate {
  const data = client.payload.devicePairingData;
  if (!data?.eIdent || !data.eRegid || !data.eSkeyId || !data.eSkeyVal || !data.eSkeySig) {
    throw new Error("the registration lacks its keys");
  }
  const keys = new DeviceKeys(Buffer.from(data.eIdent), Buffer.from(data.eRegid).readUIntBE(0, 4), {
    keyId: Buffer.from(data.eSkeyId).readUIntBE(0, 3),
    publicKey: Buffer.from(data.eSkeyVal),
    signature: Buffer.from(data.eSkeySig),
  });
  const { firstMs, nextMs } = whatsapp.refLifetime;
  const refs = new Map<string, number>();
  for (let index = 0; index < refCount; index += 1) {
    refs.set(`2@${randomBytes(96).toString("base64")}`, Date.now() + firstMs + index * nextMs);
  }
  const { os, platformType } = proto.DeviceProps.decode(data.deviceProps ?? new Uint8Array());
  const shown = { device: os ?? "", browser: proto.DeviceProps.PlatformType[platformType ?? 0] ?? "" };
  const candidate = { connection, noiseKey: client.clientStatic, keys, refs, shown, taken: false };
  const content = [...refs.keys()].map((ref) => stanza("ref", {}, Buffer.from(ref)));
  // Baileys only acknowledges this. If it hangs up instead, no client is left to pair.
  connection.request({ type: "set", xmlns: "md" }, [stanza("pair-device", {}, content)]).catch(() => {});
  return candidate;
}

/** Scans a QR code with a phone. Rejects for a code that no waiting client shows. */
export async function scanQr(whatsapp: WhatsApp, phone: Phone, qrText: string): Promise<LinkedDevice> {
  const [ref = "", noiseKey = "", identityKey = "", advSecret = ""] = qrText.slice(qrText.indexOf("#") + 1).split(",");
  const candidate = whatsapp.candidates.find(({ refs }) => refs.has(ref));
  if (!candidate || candidate.taken || Date.now() > (candidate.refs.get(ref) ?? 0)) {
    throw new Error("the QR code is not valid or has expired");
  }
  const keysMatch =
    noiseKey === candidate.noiseKey.toString("base64") && identityKey === candidate.keys.identityKey.toString("base64");
  if (!keysMatch) throw new Error("the QR code's keys differ from its client's");
  return linkDevice(whatsapp, phone, candidate, Buffer.from(advSecret, "base64"));
}

/** Links a waiting client to a phone. Resolves when its signature is verified and it was told to reconnect. */
export async function linkDevice(
  whatsapp: WhatsApp,
  phone: Phone,
  candidate: Candidate,
  advSecret: Uint8Array,
): Promise<LinkedDevice> {
  candidate.taken = true;
  const { connection, noiseKey, keys } = candidate;
  const device = new LinkedDevice(phone, phone.reserveDeviceId(), noiseKey, keys);
  const details = proto.ADVDeviceIdentity.encode({
    rawId: phone.rawId,
    timestamp: Math.floor(Date.now() / 1000),
    keyIndex: device.keyIndex,
    accountType: proto.ADVEncryptionType.E2EE,
    deviceType: proto.ADVEncryptionType.E2EE,
  }).finish();
  const answer = await connection.request({ type: "set", xmlns: "md" }, [
    stanza("pair-success", {}, [
      stanza("device-identity", {}, signedIdentity(phone, details, keys.identityKey, advSecret)),
      stanza("device", { jid: device.jid, lid: device.lid }),
      stanza("platform", { name: "android" }),
      ...(phone.biz ? [stanza("biz", { name: phone.biz })] : []),
    ]),
  ]);
  verifyDeviceSignature(answer, phone, details, device);
  phone.link(device);
  connection.streamError(515);
  whatsapp.devicePaired(device);
  return device;
}

function signedIdentity(phone: Phone, details: Uint8Array, identityKey: Uint8Array, advSecret: Uint8Array): Uint8Array {
  const account = phone.signal.identity;
  const signed = proto.ADVSignedDeviceIdentity.encode({
    details,
    accountSignatureKey: account.publicKey,
    accountSignature: sign(account.privateKey, Buffer.concat([accountSignaturePrefix, details, identityKey])),
  }).finish();
  const hmac = createHmac("sha256", advSecret).update(signed).digest();
  return proto.ADVSignedDeviceIdentityHMAC.encode({ details: signed, hmac }).finish();
}

function verifyDeviceSignature(answer: BinaryNode, phone: Phone, details: Uint8Array, device: LinkedDevice): void {
  const sent = child(answer, "pair-device-sign");
  const { deviceSignature } = proto.ADVSignedDeviceIdentity.decode(childBytes(sent, "device-identity"));
  const { identityKey } = device.keys;
  const message = Buffer.concat([deviceSignaturePrefix, details, identityKey, phone.signal.identity.publicKey]);
  const keyIndex = child(sent, "device-identity")?.attrs["key-index"];
  if (keyIndex !== String(device.keyIndex) || !isSignedBy(identityKey, message, deviceSignature ?? Buffer.alloc(0))) {
    throw new Error("the client's device signature is invalid");
  }
}
