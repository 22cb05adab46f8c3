/** WhatsApp on loopback: the server that Baileys connects to, and its accounts. */
import { EventEmitter, once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { isLidUser, isPnUser, jidDecode } from "@whiskeysockets/baileys";
import { WebSocketServer } from "ws";
import { Connection, type ConnectionListener } from "./connection.ts";
import type { LinkedDevice } from "./device.ts";
import { Groups } from "./groups.ts";
import { sendHistory } from "./history.ts";
import { type LinkCodeRequest, takeLinkCode } from "./link-code.ts";
import { type MediaHost, type Reupload, startMediaHost } from "./media.ts";
import { routeMessage } from "./messages.ts";
import { createServerIdentity, type HandshakeResult } from "./noise-server.ts";
import { type Candidate, offerPairing } from "./pairing.ts";
import { Phone, type PhoneProfile } from "./phone.ts";
import { answer } from "./queries.ts";
import { takeAck, takeReceipt } from "./receipts.ts";
import { type BinaryNode, childrenOf, failure, QueryError, result, stanza, unixTime } from "./stanza.ts";

/** Options of the emulator. All have defaults. */
export interface WhatsAppOptions {
  /** Default 0 takes a free port. */
  readonly port?: number;
  readonly host?: string;
  /** Lifetime of the first QR ref and of each further one. Unlimited by default. */
  readonly refLifetime?: { readonly firstMs: number; readonly nextMs: number };
  /** Delay of acks and receipts. Below 100 ms Baileys merges them into the message. */
  readonly ackDelayMs?: number;
}

/** The server's answer to a message; by default a positive one after the usual delay. */
export type MessageAnswer = { readonly error?: number; readonly delayMs?: number } | "none";

/** Events of the emulator, each with its subject as argument. */
export interface WhatsAppEvents {
  /** A WebSocket was opened and has carried nothing yet. */
  connection: [Connection];
  /** A client registered and shows QR codes now. */
  candidate: [Candidate];
  paired: [LinkedDevice];
  /** A login was accepted. */
  login: [LinkedDevice];
  /** The device has received its offline queue. */
  active: [LinkedDevice];
  closed: [Connection];
  /** Any of these, and every message, receipt or ack. */
  change: [];
}

/** Totals since the start, except `connections`, which counts the open ones. */
export interface Counters {
  readonly connections: number;
  readonly pairings: number;
  readonly logins: number;
  readonly refusedUpgrades: number;
  /** Logins of a device that still had a connection. */
  readonly conflicts: number;
}

const waitMs = 60_000;
const numberForm = /^\d{5,15}$/;

/** Starts an emulated WhatsApp and resolves when it listens. The caller must `close()` it. */
export async function startWhatsApp(options: WhatsAppOptions = {}): Promise<WhatsApp> {
  const server = createServer((_request, response) => response.writeHead(426).end());
  server.listen(options.port ?? 0, options.host ?? "127.0.0.1");
  await once(server, "listening");
  return new WhatsApp(server, await startMediaHost(), options);
}

/** The running emulator. */
export class WhatsApp extends EventEmitter<WhatsAppEvents> {
  /** The hosts for files. */
  readonly media: MediaHost;
  /** Value for Baileys' `waWebSocketUrl`. */
  readonly url: string;
  readonly ackDelayMs: number;
  readonly refLifetime: { readonly firstMs: number; readonly nextMs: number };
  /** Chooses the answer to a message from a device. One with an error reaches nobody; "none" stands for a lost acknowledgement. */
  answerTo: (message: BinaryNode) => MessageAnswer = () => ({});
  /** Numbers that were asked for, with the number of their account if it has other digits; null: there is no account. */
  readonly numbering = new Map<string, string | null>();
  readonly groups = new Groups();
  /** Answers of phones that are asked to upload a file again, by the id of its message. */
  readonly reuploads = new Map<string, Reupload>();
  /** Errors inside the emulator, such as invalid frames and messages it could not decrypt. Empty in a good test. */
  readonly faults: unknown[] = [];
  /**
   * Answers handshakes and registrations of a retired client version with `<failure reason="405">`; null retires none.
   */
  retireVersions(isRetired: ((version: string) => boolean) | null): void {
    this.#acceptsVersion = (version) => !isRetired?.(version);
  }

  /** Client version of each handshake, oldest first. */
  readonly clientVersions: string[] = [];
  /** Text of the error with which requests for a pairing code are refused while it is set. */
  linkCodeRefusal: string | undefined;
  readonly #server: Server;
  readonly #webSockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  readonly #identity = createServerIdentity();
  readonly #phones = new Map<string, Phone>();
  readonly #phonesByLid = new Map<string, Phone>();
  readonly #connections = new Set<Connection>();
  readonly #candidates = new Map<Connection, Candidate>();
  readonly #linkCodes = new Map<Connection, LinkCodeRequest>();
  readonly #counts = { pairings: 0, logins: 0, refusedUpgrades: 0, conflicts: 0 };
  readonly #listener: ConnectionListener = {
    handshakeFinished: (connection, client) => this.#admit(connection, client),
    stanzaReceived: (connection, node) => this.#take(connection, node),
    closed: (connection) => this.#forget(connection),
    fault: (error) => this.#fault(error),
  };
  #upgradeRefusal: number | undefined;
  #loginRefusal: number | undefined;
  #acceptsVersion = (_version: string) => true;
  #muteNew = false;
  #nextNumber = 15550000001;

  /** For `startWhatsApp` only. */
  constructor(server: Server, media: MediaHost, options: WhatsAppOptions) {
    super();
    this.media = media;
    this.setMaxListeners(0);
    const { address, port } = server.address() as AddressInfo;
    this.url = `ws://${address}:${port}/ws/chat`;
    this.ackDelayMs = options.ackDelayMs ?? 150;
    this.refLifetime = options.refLifetime ?? { firstMs: Number.POSITIVE_INFINITY, nextMs: 0 };
    this.#server = server;
    server.on("upgrade", (request, socket, head) => {
      if (this.#upgradeRefusal !== undefined) {
        this.#refuseUpgrade(socket, this.#upgradeRefusal);
        return;
      }
      this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
        const connection = new Connection(webSocket, socket, this.#identity, this.#listener, request.url);
        this.#connections.add(connection);
        if (this.#muteNew) connection.mute();
        this.#announce("connection", connection);
      });
    });
  }

  /**
   * Returns the account with this number, or a new account with a new number. The profile applies only to accounts
   * created by this call.
   */
  phone(number?: string, profile: PhoneProfile = {}): Phone {
    const known = number === undefined ? undefined : this.#phones.get(number);
    if (known) return known;
    const chosen = number ?? this.#freeNumber();
    if (!numberForm.test(chosen)) throw new Error(`${chosen} must be a phone number of 5 to 15 digits`);
    const phone = new Phone(this, chosen, String(100_000_000_000_001 + this.#phones.size), profile);
    this.#phones.set(chosen, phone);
    this.#phonesByLid.set(phone.lidUser, phone);
    return phone;
  }

  /** Returns the account of a JID (number or LID, any device). An unused number gets an account now. */
  accountOf(jid: string): Phone | undefined {
    const user = jidDecode(jid)?.user ?? "";
    if (isLidUser(jid)) return this.#phonesByLid.get(user);
    if (!isPnUser(jid) || !numberForm.test(user)) return undefined;
    const number = this.numbering.get(user);
    return number === null ? undefined : this.phone(number ?? user);
  }

  /** Connections open now. */
  get connections(): readonly Connection[] {
    return [...this.#connections];
  }

  /** Returns the device's connection; throws if it is not logged in. */
  connectionOf(device: LinkedDevice): Connection {
    if (!device.connection) throw new Error(`${device.jid} is not connected`);
    return device.connection;
  }

  /** Clients that wait to be linked. */
  get candidates(): readonly Candidate[] {
    return [...this.#candidates.values()];
  }

  /** Clients that asked for a pairing code, by their latest request. */
  get linkCodes(): readonly LinkCodeRequest[] {
    return [...this.#linkCodes.values()];
  }

  get counters(): Counters {
    return { connections: this.#connections.size, ...this.#counts };
  }

  /** Answers WebSocket upgrades with this HTTP status and closes them, until called with null. */
  refuseUpgrades(status: number | null): void {
    this.#upgradeRefusal = status ?? undefined;
  }

  /** Answers every handshake, including registrations, with `<failure reason="…">`, until called with null. */
  refuseLogins(reason: number | null): void {
    this.#loginRefusal = reason ?? undefined;
  }

  /** Refuses requests for a pairing code with an `iq` error, until called with null. */
  refuseLinkCodes(text: string | null): void {
    this.linkCodeRefusal = text ?? undefined;
  }

  /** Makes every new connection a black hole from its first byte, until called with false. */
  muteNewConnections(mute: boolean): void {
    this.#muteNew = mute;
  }

  /** Resolves with the next opened connection. */
  async waitForConnection(): Promise<Connection> {
    const [connection] = await once(this, "connection");
    return connection;
  }

  /** Resolves once the device is logged in and has its offline queue. */
  async waitForLogin(device: LinkedDevice): Promise<void> {
    await this.until(() => device.online, `the login of ${device.jid}`);
  }

  /** Resolves as soon as the condition holds, checked after each change; rejects after `timeoutMs`. */
  async until(condition: () => boolean, what = "a condition", timeoutMs = waitMs): Promise<void> {
    if (condition()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = (): void => {
      if (condition()) resolve();
    };
    const timer = setTimeout(() => reject(new Error(`waited ${timeoutMs} ms for ${what}`)), timeoutMs);
    this.on("change", look);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.off("change", look);
    }
  }

  /** Closes all sockets and stops listening. Resolves when nothing is left. */
  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    const ended = this.connections.map((connection) => connection.ended);
    for (const connection of this.#connections) connection.terminate();
    await Promise.all([closed, this.media.close(), ...ended]);
  }

  /** Called by the emulator's parts after each change that a waiting test may look for. */
  changed(): void {
    this.emit("change");
  }

  /** Called by the emulator's parts to record errors of background work in `faults`. */
  async watch(work: Promise<void> | undefined): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.#fault(error);
    }
  }

  /** Called by the pairing code after a device was linked. */
  devicePaired(device: LinkedDevice): void {
    this.#counts.pairings += 1;
    this.#announce("paired", device);
  }

  /** Called by the query code after a device has received its offline queue. */
  deviceActive(device: LinkedDevice): void {
    if (device.phone.sendsHistory && device.ledger.logins === 1) void this.watch(sendHistory(this, device));
    this.#announce("active", device);
  }

  /** Called by the link code exchange for each request. A client's latest request counts. */
  addLinkCode(request: LinkCodeRequest): void {
    this.#linkCodes.delete(request.candidate.connection);
    this.#linkCodes.set(request.candidate.connection, request);
    this.changed();
  }

  #announce<Name extends Exclude<keyof WhatsAppEvents, "change">>(name: Name, subject: WhatsAppEvents[Name][0]): void {
    (this as EventEmitter).emit(name, subject);
    this.changed();
  }

  #fault(error: unknown): void {
    this.faults.push(error);
    this.changed();
  }

  #freeNumber(): string {
    while (this.#phones.has(String(this.#nextNumber))) this.#nextNumber += 1;
    return String(this.#nextNumber++);
  }

  #refuseUpgrade(socket: Duplex, status: number): void {
    this.#counts.refusedUpgrades += 1;
    socket.on("error", () => {});
    const head = `HTTP/1.1 ${status} Refused\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`;
    socket.end(head, () => socket.destroy());
    this.changed();
  }

  #admit(connection: Connection, client: HandshakeResult): void {
    const { username, device: deviceId } = client.payload;
    const version = versionOf(client);
    this.clientVersions.push(version);
    if (!this.#acceptsVersion(version)) connection.failure(405);
    else if (this.#loginRefusal !== undefined) connection.failure(this.#loginRefusal);
    else if (username) this.#login(connection, client, String(username), deviceId ?? 0);
    else {
      const candidate = offerPairing(this, connection, client);
      this.#candidates.set(connection, candidate);
      this.#announce("candidate", candidate);
    }
  }

  #login(connection: Connection, client: HandshakeResult, number: string, deviceId: number): void {
    const device = this.#phones.get(number)?.device(deviceId);
    if (!device?.noiseKey.equals(client.clientStatic)) {
      connection.failure(401);
      return;
    }
    const refusal = device.nextLoginRefusal ?? device.phone.loginRefusal;
    device.nextLoginRefusal = undefined;
    if (refusal) {
      connection.failure(refusal.reason, refusal.attributes);
      return;
    }
    if (device.connection?.isOpen) this.#counts.conflicts += 1;
    device.connection?.conflictReplaced();
    device.connection = connection;
    device.active = false;
    device.ledger.logins += 1;
    connection.device = device;
    this.#counts.logins += 1;
    connection.send(stanza("success", { t: unixTime(), lid: device.lid }));
    this.#announce("login", device);
  }

  #take(connection: Connection, node: BinaryNode): void {
    const { device } = connection;
    if (node.tag === "iq") this.#answer(connection, node);
    else if (!device) return;
    else if (node.tag === "message") routeMessage(this, device, node);
    else if (node.tag === "receipt") takeReceipt(this, device, node);
    else if (node.tag === "ack") takeAck(this, device, node);
  }

  #answer(connection: Connection, iq: BinaryNode): void {
    if (iq.attrs.type === "result" || iq.attrs.type === "error") return;
    const { device } = connection;
    const candidate = this.#candidates.get(connection);
    try {
      if (device) connection.send(result(iq, answer({ whatsapp: this, device, iq })));
      else if (candidate && childrenOf(iq)[0]?.tag === "link_code_companion_reg") {
        connection.send(result(iq, takeLinkCode(this, candidate, iq)));
      } else if (candidate && childrenOf(iq)[0]?.tag === "ping") connection.send(result(iq));
      else throw new QueryError(501, "feature-not-implemented");
    } catch (error) {
      if (!(error instanceof QueryError)) throw error;
      connection.send(failure(iq, error.code, error.message));
    }
  }

  #forget(connection: Connection): void {
    this.#connections.delete(connection);
    this.#candidates.delete(connection);
    this.#linkCodes.delete(connection);
    const { device } = connection;
    if (device?.connection === connection) {
      device.connection = undefined;
      device.active = false;
    }
    this.#announce("closed", connection);
  }
}

/** Returns the client version that a client reports (ClientPayload.UserAgent.AppVersion). */
function versionOf({ payload }: HandshakeResult): string {
  const { primary, secondary, tertiary } = payload.userAgent?.appVersion ?? {};
  return [primary, secondary, tertiary].join(".");
}
