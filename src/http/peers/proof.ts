import { createHmac, createSecretKey, hash, hkdfSync, type KeyObject, randomUUID, timingSafeEqual } from "node:crypto";
import type { PeerClock, ProcessMoment } from "./peer-clock.ts";

// Nodes prove themselves to each other with a key that only the cluster has. A proof is good for one call of one process, and only for
// some seconds. It names the time of the process that it is for, so that clocks which disagree do no harm: a node that does not know that
// time yet is told it, with a proof of its own, and calls again.

/** Header with a call's description, and the header with the proof of it. */
export const callHeader = "sessiond-peer-call";
export const proofHeader = "sessiond-peer-proof";
/** Header in which a node tells its time to a caller whose time for it is missing or wrong. */
export const timeHeader = "sessiond-peer-time";

/** Limit of the difference between a call's time and the time of the node that answers it. */
const maxSkewMs = 10_000;

/** A call between two nodes, as it is proven. */
export interface ProvenCall {
  /** Names of the nodes. */
  readonly from: string;
  readonly to: string;
  readonly path: string;
  /** SHA-256 of the body. */
  readonly digest: string;
  /** Request headers that the call has for its RPC. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

interface Envelope extends ProvenCall, ProcessMoment {
  readonly nonce: string;
}

/** Returns the key that nodes prove themselves with, derived from the secret of their cluster. */
export const deriveProofKey = (secret: Uint8Array): Uint8Array =>
  new Uint8Array(hkdfSync("sha256", secret, "", "sessiond peers 1", 32));

/** Returns the digest of a body for a call's description. */
export const digestOf = (body: Uint8Array): string => hash("sha256", body, "base64url");

/** Proves calls to other nodes. */
export class Prover {
  readonly #key: KeyObject;
  readonly #clock: PeerClock;

  constructor(key: Uint8Array, clock: PeerClock) {
    this.#key = createSecretKey(key);
    this.#clock = clock;
  }

  /** Returns the headers that prove a call. */
  prove(call: ProvenCall): { readonly call: string; readonly proof: string } {
    const envelope: Envelope = { ...call, ...this.#clock.momentAt(call.to), nonce: randomUUID() };
    const text = Buffer.from(JSON.stringify(envelope)).toString("base64url");
    return { call: text, proof: mac(this.#key, "call", text) };
  }

  /** Takes the time that a node told in answer to the proof of a call. Returns false if the node has not proven it. */
  learnTime(node: string, told: string, proof: string): boolean {
    const [process = "", at = "", toldProof = ""] = told.split(".");
    if (!isEqual(toldProof, mac(this.#key, "time", `${process}.${at}.${proof}`))) return false;
    this.#clock.learn(node, { process, atMs: Number(at) });
    return true;
  }
}

/** Result of judging a call: the proven call, a time to tell to its caller, or neither for a call that proves nothing. */
export type Judgement =
  | { readonly kind: "proven"; readonly call: ProvenCall }
  | { readonly kind: "untimely"; readonly time: string }
  | { readonly kind: "repeated" }
  | { readonly kind: "unproven" };

/** Judges the proofs of calls that come in. */
export class Judge {
  readonly #self: string;
  readonly #key: KeyObject;
  readonly #clock: PeerClock;
  /** The nonces of calls that would still be timely, by the order in which they came, with the time until which they are. */
  readonly #nonces = new Map<string, number>();

  constructor(self: string, key: Uint8Array, clock: PeerClock) {
    this.#self = self;
    this.#key = createSecretKey(key);
    this.#clock = clock;
  }

  /** Judges a call by its two headers and its path. Its body has still to be compared with the digest. */
  judge(text: string, proof: string, path: string): Judgement {
    if (!isEqual(proof, mac(this.#key, "call", text))) return { kind: "unproven" };
    // The cluster has written it, so it is well-formed.
    const call: Envelope = JSON.parse(Buffer.from(text, "base64url").toString());
    if (call.to !== this.#self || call.path !== path) return { kind: "unproven" };
    const nowMs = this.#clock.nowMs();
    if (call.process !== this.#clock.process || Math.abs(call.atMs - nowMs) > maxSkewMs) {
      return { kind: "untimely", time: this.#timeFor(proof, nowMs) };
    }
    this.#forgetNonces(nowMs);
    if (this.#nonces.has(call.nonce)) return { kind: "repeated" };
    this.#nonces.set(call.nonce, nowMs + 2 * maxSkewMs);
    return { kind: "proven", call };
  }

  #timeFor(proof: string, nowMs: number): string {
    const time = `${this.#clock.process}.${nowMs}`;
    return `${time}.${mac(this.#key, "time", `${time}.${proof}`)}`;
  }

  #forgetNonces(nowMs: number): void {
    for (const [nonce, untilMs] of this.#nonces) {
      if (untilMs > nowMs) return;
      this.#nonces.delete(nonce);
    }
  }
}

const mac = (key: KeyObject, use: string, text: string): string =>
  createHmac("sha256", key).update(`${use}\n${text}`).digest("base64url");

/** Compares in constant time. */
function isEqual(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.byteLength === b.byteLength && timingSafeEqual(a, b);
}
