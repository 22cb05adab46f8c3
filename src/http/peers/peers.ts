import { X509Certificate } from "node:crypto";
import type { SecureClientSessionOptions } from "node:http2";
import { checkServerIdentity, rootCertificates } from "node:tls";
import type { Transport } from "@connectrpc/connect";
import type { UniversalClientFn, UniversalClientRequest, UniversalClientResponse } from "@connectrpc/connect/protocol";
import { createTransport } from "@connectrpc/connect/protocol-connect";
import { createNodeHttpClient, Http2SessionManager } from "@connectrpc/connect-node";
import { isProtocolHeader, peerPrefix } from "./entry.ts";
import type { PeerClock } from "./peer-clock.ts";
import { callHeader, digestOf, Prover, proofHeader, timeHeader } from "./proof.ts";
import { createUnaryClient, type Ends } from "./unary-client.ts";

/** Options for calls to other nodes. */
export interface PeersOptions {
  /** Name of this node. */
  readonly self: string;
  /** Key that the nodes of the cluster prove themselves with. */
  readonly key: Uint8Array;
  /** Certificate of this node (PEM). Other nodes may present the same one, whatever their address. */
  readonly certificate?: string | Buffer | undefined;
  readonly limits?: Partial<PeerLimits>;
  readonly clock: PeerClock;
}

/** Limits of connections to other nodes. */
export interface PeerLimits {
  /** Time to open a connection, or to make sure of one. */
  readonly connectTimeoutMs: number;
  /** Time between two pings on a connection with open calls. A connection that was quiet for longer is pinged before a call. */
  readonly pingIntervalMs: number;
  /** Time from a ping to its answer. */
  readonly pingTimeoutMs: number;
  /** Time without a call after which a connection is closed. */
  readonly idleTimeoutMs: number;
}

const defaultLimits: PeerLimits = {
  connectTimeoutMs: 2_000,
  pingIntervalMs: 2_000,
  pingTimeoutMs: 2_000,
  idleTimeoutMs: 60_000,
};

/** Another node, as the one that calls it. */
export interface Peer {
  /** Makes sure of a connection. Rejects if there is none to be had; nothing of a call has been sent then. */
  connect(): Promise<void>;
  readonly transport: Transport;
}

/** Connections to the other nodes: one HTTP/2 connection for each, opened for the first call. */
export class Peers {
  readonly #options: PeersOptions;
  readonly #limits: PeerLimits;
  readonly #prover: Prover;
  readonly #peers = new Map<string, OpenPeer>();

  constructor(options: PeersOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#prover = new Prover(options.key, options.clock);
  }

  /** Returns a node by its name and base URL. */
  to({ name, url }: { readonly name: string; readonly url: string }): Peer {
    const known = this.#peers.get(name);
    if (known?.url === url) return known;
    known?.close();
    const peer = new OpenPeer({ name, url, self: this.#options.self }, this.#limits, this.#prover, this.#tlsOptions());
    this.#peers.set(name, peer);
    return peer;
  }

  /** Closes all connections. Calls in flight fail. */
  close(): void {
    for (const peer of this.#peers.values()) peer.close();
    this.#peers.clear();
  }

  #tlsOptions(): SecureClientSessionOptions {
    const { certificate } = this.#options;
    if (certificate === undefined) return {};
    const own = new X509Certificate(certificate);
    return {
      ca: [...rootCertificates, own.toString()],
      allowPartialTrustChain: true,
      // Nodes of a cluster mostly share a certificate, and reach each other by addresses that it does not name.
      checkServerIdentity: (host, presented) =>
        own.raw.equals(presented.raw) ? undefined : checkServerIdentity(host, presented),
    };
  }
}

class OpenPeer implements Peer {
  readonly url: string;
  readonly transport: Transport;
  readonly #manager: Http2SessionManager;
  readonly #timeoutMs: number;

  constructor(ends: Ends, limits: PeerLimits, prover: Prover, tls: SecureClientSessionOptions) {
    this.url = ends.url;
    this.#timeoutMs = limits.connectTimeoutMs;
    const { pingIntervalMs, pingTimeoutMs, idleTimeoutMs } = limits;
    const pings = { pingIntervalMs, pingTimeoutMs, idleConnectionTimeoutMs: idleTimeoutMs };
    this.#manager = new Http2SessionManager(ends.url, pings, tls);
    const send = createNodeHttpClient({ httpVersion: "2", sessionProvider: () => this.#manager });
    const connect = createTransport({
      httpClient: proving(send, prover, ends),
      baseUrl: `${new URL(ends.url).origin}${peerPrefix}`,
      useBinaryFormat: true,
      interceptors: [],
      acceptCompression: [],
      sendCompression: null,
      compressMinBytes: 0,
      readMaxBytes: 0xffffffff,
      writeMaxBytes: 0xffffffff,
    });
    const unary = createUnaryClient(this.#manager, prover, ends);
    this.transport = {
      stream: connect.stream,
      unary: (method, signal, timeoutMs, header, message) =>
        timeoutMs === undefined
          ? unary(method, signal, header, message)
          : connect.unary(method, signal, timeoutMs, header, message),
    };
  }

  async connect(): Promise<void> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error("timeout")), this.#timeoutMs);
    try {
      const state = await Promise.race([this.#manager.connect(), late]);
      if (state === "error") throw this.#manager.error();
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#manager.abort();
  }
}

/** Returns `send` with each request proven. A request whose time was wrong has not been carried out, and is sent once more. */
function proving(send: UniversalClientFn, prover: Prover, { name, self }: Ends): UniversalClientFn {
  return async (request) => {
    const body = await readAll(request);
    const [headers, protocolHeaders] = splitHeaders(request.header);
    const path = new URL(request.url).pathname.slice(peerPrefix.length);
    const call = { from: self, to: name, path, digest: digestOf(body), headers };
    const sendProven = async (): Promise<{ answer: UniversalClientResponse; proof: string }> => {
      const { call: text, proof } = prover.prove(call);
      const header = new Headers(protocolHeaders);
      header.set(callHeader, text);
      header.set(proofHeader, proof);
      return { answer: await send({ ...request, header, body: one(body) }), proof };
    };
    const first = await sendProven();
    const told = first.answer.header.get(timeHeader);
    if (first.answer.status !== 401 || told === null || !prover.learnTime(name, told, first.proof)) return first.answer;
    for await (const _ of first.answer.body);
    return (await sendProven()).answer;
  };
}

/** Returns the headers for the RPC, which are proven, and those of the protocol. */
function splitHeaders(header: Headers): [[string, string][], [string, string][]] {
  const all = [...header];
  const isOfProtocol = ([name]: [string, string]) => isProtocolHeader(name);
  return [all.filter((one) => !isOfProtocol(one) && one[0] !== "user-agent"), all.filter(isOfProtocol)];
}

async function readAll({ body }: UniversalClientRequest): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body ?? []) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* one<T>(value: T): AsyncGenerator<T> {
  yield value;
}
