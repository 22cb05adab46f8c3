/** Responder of WhatsApp's Noise_XX_25519_AESGCM_SHA256, and its frames. */
import { createCipheriv, createDecipheriv, createHash, hkdfSync } from "node:crypto";
import { proto } from "@whiskeysockets/baileys";
import { generateKeyPair, type KeyPair, sharedSecret, sign } from "./keys.ts";

const noiseMode = Buffer.from("Noise_XX_25519_AESGCM_SHA256\0\0\0\0", "ascii");
const prologue = Buffer.from([0x57, 0x41, 6, 3]);
const routingHead = Buffer.from([0x45, 0x44, 0, 1]);
const tagBytes = 16;
const noBytes = Buffer.alloc(0);

/** Long-lived key of the server with its certificate chain. One per emulator. */
export interface ServerIdentity {
  readonly key: KeyPair;
  readonly certificateChain: Uint8Array;
}

/** Creates a server key with a chain of the form that Baileys requires (issuer serial 0, 64-byte signatures). */
export function createServerIdentity(): ServerIdentity {
  const key = generateKeyPair();
  const intermediate = generateKeyPair();
  const root = generateKeyPair();
  const { Details } = proto.CertChain.NoiseCertificate;
  const intermediateDetails = Details.encode({ serial: 1, issuerSerial: 0, key: intermediate.publicKey }).finish();
  const leafDetails = Details.encode({ serial: 2, issuerSerial: 1, key: key.publicKey }).finish();
  const certificateChain = proto.CertChain.encode({
    intermediate: { details: intermediateDetails, signature: sign(root.privateKey, intermediateDetails) },
    leaf: { details: leafDetails, signature: sign(intermediate.privateKey, leafDetails) },
  }).finish();
  return { key, certificateChain };
}

/** Splits a client's byte stream into frames: a prologue once, then 3-byte lengths and bodies. */
export class FrameReader {
  #pending: Buffer = noBytes;
  #prologueRead = false;

  /** Returns the frames completed by `data`. Throws if the stream does not begin like a WhatsApp client's. */
  read(data: Buffer): Buffer[] {
    this.#pending = this.#pending.length === 0 ? data : Buffer.concat([this.#pending, data]);
    if (!this.#prologueRead && !this.#readPrologue()) return [];
    const frames: Buffer[] = [];
    while (this.#pending.length >= 3) {
      const end = 3 + this.#pending.readUIntBE(0, 3);
      if (this.#pending.length < end) break;
      frames.push(this.#pending.subarray(3, end));
      this.#pending = this.#pending.subarray(end);
    }
    // An empty view would hold the whole chunk in memory until the next one arrives.
    if (this.#pending.length === 0) this.#pending = noBytes;
    return frames;
  }

  #readPrologue(): boolean {
    let offset = 0;
    if (this.#pending.subarray(0, routingHead.length).equals(routingHead)) {
      if (this.#pending.length < 7) return false;
      offset = 7 + this.#pending.readUIntBE(4, 3);
    }
    if (this.#pending.length < offset + prologue.length) return false;
    if (!this.#pending.subarray(offset, offset + prologue.length).equals(prologue))
      throw new Error("the client does not start with WhatsApp's prologue");
    this.#pending = this.#pending.subarray(offset + prologue.length);
    this.#prologueRead = true;
    return true;
  }
}

/** Returns the body with its 3-byte length in front. */
export function frame(body: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(3 + body.length);
  framed.writeUIntBE(body.length, 0, 3);
  framed.set(body, 3);
  return framed;
}

/** Result of a completed handshake. */
export interface HandshakeResult {
  /** Static key of the client: the credential of a paired device. */
  readonly clientStatic: Buffer;
  readonly payload: proto.ClientPayload;
  readonly transport: Transport;
}

/** One handshake as the responder: `hello` answers the first frame, `finish` takes the second. */
export class Handshake {
  readonly #identity: ServerIdentity;
  readonly #ephemeral = generateKeyPair();
  #hash: Buffer = noiseMode;
  #chainingKey: Buffer = noiseMode;
  #key: Buffer = noiseMode;
  #counter = 0;

  constructor(identity: ServerIdentity) {
    this.#identity = identity;
    this.#mixHash(prologue);
  }

  /** Processes the client hello and returns the server hello. */
  hello(message: Uint8Array): Uint8Array {
    const { clientHello } = proto.HandshakeMessage.decode(message);
    const theirs = clientHello?.ephemeral;
    if (theirs?.length !== 32) throw new Error("client hello without an ephemeral key");
    this.#mixHash(theirs);
    this.#mixHash(this.#ephemeral.publicKey);
    this.#mixKey(sharedSecret(this.#ephemeral.privateKey, theirs));
    const encryptedStatic = this.#encrypt(this.#identity.key.publicKey);
    this.#mixKey(sharedSecret(this.#identity.key.privateKey, theirs));
    const payload = this.#encrypt(this.#identity.certificateChain);
    return proto.HandshakeMessage.encode({
      serverHello: { ephemeral: this.#ephemeral.publicKey, static: encryptedStatic, payload },
    }).finish();
  }

  /** Processes the client finish. Throws if a tag does not match. */
  finish(message: Uint8Array): HandshakeResult {
    const { clientFinish } = proto.HandshakeMessage.decode(message);
    if (!clientFinish?.static || !clientFinish.payload) throw new Error("client finish is incomplete");
    const clientStatic = this.#decrypt(clientFinish.static);
    this.#mixKey(sharedSecret(this.#ephemeral.privateKey, clientStatic));
    const payload = proto.ClientPayload.decode(this.#decrypt(clientFinish.payload));
    const [readKey, writeKey] = expand(noBytes, this.#chainingKey);
    return { clientStatic, payload, transport: new Transport(readKey, writeKey) };
  }

  #mixHash(data: Uint8Array): void {
    this.#hash = createHash("sha256").update(this.#hash).update(data).digest();
  }

  #mixKey(secret: Uint8Array): void {
    [this.#chainingKey, this.#key] = expand(secret, this.#chainingKey);
    this.#counter = 0;
  }

  #encrypt(plaintext: Uint8Array): Buffer {
    const ciphertext = seal(this.#key, this.#counter++, plaintext, this.#hash);
    this.#mixHash(ciphertext);
    return ciphertext;
  }

  #decrypt(ciphertext: Uint8Array): Buffer {
    const plaintext = open(this.#key, this.#counter++, ciphertext, this.#hash);
    this.#mixHash(ciphertext);
    return plaintext;
  }
}

/** Ciphers after the handshake: a key and a counter for each direction. */
export class Transport {
  readonly #readKey: Buffer;
  readonly #writeKey: Buffer;
  #readCounter = 0;
  #writeCounter = 0;

  constructor(readKey: Buffer, writeKey: Buffer) {
    this.#readKey = readKey;
    this.#writeKey = writeKey;
  }

  encrypt(plaintext: Uint8Array): Buffer {
    return seal(this.#writeKey, this.#writeCounter++, plaintext);
  }

  decrypt(ciphertext: Uint8Array): Buffer {
    return open(this.#readKey, this.#readCounter++, ciphertext);
  }
}

function expand(secret: Uint8Array, salt: Uint8Array): [Buffer, Buffer] {
  const output = Buffer.from(hkdfSync("sha256", secret, salt, "", 64));
  return [output.subarray(0, 32), output.subarray(32)];
}

function nonce(counter: number): Buffer {
  const iv = Buffer.alloc(12);
  iv.writeUInt32BE(counter, 8);
  return iv;
}

function seal(key: Uint8Array, counter: number, plaintext: Uint8Array, aad?: Uint8Array): Buffer {
  const cipher = createCipheriv("aes-256-gcm", key, nonce(counter));
  if (aad) cipher.setAAD(aad);
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

function open(key: Uint8Array, counter: number, ciphertext: Uint8Array, aad?: Uint8Array): Buffer {
  const decipher = createDecipheriv("aes-256-gcm", key, nonce(counter), { authTagLength: tagBytes });
  if (aad) decipher.setAAD(aad);
  decipher.setAuthTag(ciphertext.subarray(ciphertext.length - tagBytes));
  return Buffer.concat([decipher.update(ciphertext.subarray(0, ciphertext.length - tagBytes)), decipher.final()]);
}
