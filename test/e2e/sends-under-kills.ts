import { setTimeout as delay } from "node:timers/promises";
import type { openHarness } from "./harness.ts";
import type { RestAnswer, RestClient } from "./rest-client.ts";
import type { ServerProcess } from "./server-process.ts";

/** Ways in which callers make their calls repeatable, and whether they wait for WhatsApp's answer. */
const callers = ["id", "id, waiting", "key, waiting"] as const;
/** Messages of a chat that may wait: a backlog would only make the test longer. */
const maxBacklog = 10;
const retryMs = 20;

/** A person whom a session writes to. */
export interface Recipient {
  readonly number: string;
  readonly shown: readonly { readonly id: string; readonly text?: string | undefined }[];
  /** Ids of the repeats that the phone dropped. */
  readonly repeats: readonly string[];
  confirmsDelivery: boolean;
}

/** A server that is killed while its sessions send, and the parts that differ between the emulated WhatsApps. */
export interface Scene {
  readonly rest: RestClient;
  readonly server: ServerProcess;
  /** Sessions that send. They are WORKING, and have no rate. */
  readonly sessions: readonly string[];
  newPhone(): Recipient;
  /** Resolves once the condition holds; rejects after a while. */
  until(condition: () => boolean): Promise<unknown>;
  /** Resolves when the server is to be killed. `arrived` returns how many messages have reached phones so far. */
  nextMoment(arrived: () => number): Promise<unknown>;
  /** Returns what clients have done wrong in the eyes of the emulator. */
  faults?(): readonly string[];
}

/** A chat that one caller writes to, in order. */
interface Chat {
  readonly session: string;
  readonly caller: (typeof callers)[number];
  readonly phone: Recipient;
  /** Texts whose call was answered with success. */
  readonly accepted: string[];
}

/** Callers who send beside kills, and what their recipients' phones show. They send from the start. */
export class SendsUnderKills {
  readonly #scene: Scene;
  readonly #chats: readonly Chat[];
  readonly #ending = new AbortController();
  readonly #writing: Promise<unknown>;
  /** True from a kill until the next server listens. */
  #isDown = false;
  /** Answers that no caller should get. */
  readonly #oddAnswers: string[] = [];

  constructor(scene: Scene) {
    this.#scene = scene;
    this.#chats = scene.sessions.flatMap((session) =>
      callers.map((caller) => ({ session, caller, phone: scene.newPhone(), accepted: [] })),
    );
    // A receipt tells the next process that a message has arrived. Without one, it is sent again.
    for (const [i, { phone }] of this.#chats.entries()) phone.confirmsDelivery = i % 2 === 0;
    this.#writing = Promise.all(this.#chats.map((chat) => this.#write(chat)));
  }

  /** Number of messages that were accepted, and of repeats that the phones dropped. */
  get counts(): { accepted: number; repeats: number } {
    return {
      accepted: this.#chats.reduce((sum, { accepted }) => sum + accepted.length, 0),
      repeats: this.#chats.reduce((sum, { phone }) => sum + phone.repeats.length, 0),
    };
  }

  /** Kills the server once, at a moment that the scene chooses, and starts it again. */
  async kill(): Promise<void> {
    const { server, nextMoment } = this.#scene;
    await nextMoment(() => this.#arrived());
    this.#isDown = true;
    await server.kill("SIGKILL");
    await server.restart();
    this.#isDown = false;
  }

  /** Returns each broken promise so far: texts lost, repeated or out of order on a phone, odd answers, faults of clients. */
  broken(): string[] {
    const wrong = this.#chats.flatMap((chat) => {
      const { session, caller, phone } = chat;
      const isWrong = ({ id, text }: Recipient["shown"][number], i: number) =>
        text !== `text ${i}` || (caller !== "key, waiting" && id !== nameOf(chat, i));
      const at = phone.shown.findIndex(isWrong);
      const around = phone.shown.slice(Math.max(0, at - 3), at + 3).map(({ text }) => text);
      return at < 0 ? [] : [`${session} (${caller}) to ${phone.number}: ${around}`];
    });
    return [...wrong, ...this.#oddAnswers, ...(this.#scene.faults?.() ?? [])];
  }

  /** Stops to send, waits until all is sent, and returns each broken promise. */
  async finish(): Promise<string[]> {
    const { until, rest, sessions } = this.#scene;
    this.#ending.abort();
    await this.#writing;
    const isMissing = ({ phone, accepted }: Chat) => phone.shown.length < accepted.length;
    await until(() => !this.#chats.some(isMissing)).catch(() => {});
    const lost = this.#chats
      .filter(isMissing)
      .map(
        ({ session, phone, accepted }) => `${session} to ${phone.number}: ${phone.shown.length} of ${accepted.length}`,
      );
    const unsent: string[] = [];
    for (const session of sessions) {
      const open = () => rest.get(`/api/sessions/${session}/outbox?pageSize=500&${openStates}`);
      let { body } = await open();
      for (let tries = 0; Object.keys(body.messages ?? {}).length > 0 && tries < 100; tries += 1) {
        await delay(100);
        ({ body } = await open());
      }
      for (const { id, state, reason } of Object.values(body.messages ?? {}))
        unsent.push(`${id} is ${state} ${reason}`);
    }
    return [...this.broken(), ...lost, ...unsent];
  }

  #arrived(): number {
    return this.#chats.reduce((sum, { phone }) => sum + phone.shown.length + phone.repeats.length, 0);
  }

  /** Sends one text after another, each until the server has accepted it. */
  async #write(chat: Chat): Promise<void> {
    const { phone, accepted } = chat;
    for (let i = 0; !this.#ending.signal.aborted; i += 1) {
      // The last call is repeated too: its message may have been accepted before a kill.
      for (let answer = await this.#send(chat, i); !isAccepted(answer); answer = await this.#send(chat, i)) {
        await delay(retryMs);
      }
      accepted.push(`text ${i}`);
      while (accepted.length - phone.shown.length > maxBacklog && !this.#ending.signal.aborted) await delay(retryMs);
      await delay(Math.random() * 60);
    }
  }

  async #send(chat: Chat, i: number): Promise<RestAnswer | undefined> {
    const { session, caller, phone } = chat;
    const name = nameOf(chat, i);
    const message = { session, chatId: `${phone.number}@c.us`, text: `text ${i}` };
    const body = caller === "key, waiting" ? message : { ...message, id: name };
    const headers: Record<string, string> =
      caller === "key, waiting" ? { "idempotency-key": name } : caller === "id" ? { prefer: "respond-async" } : {};
    const { server, rest } = this.#scene;
    const { pid } = server;
    const answer = await rest.call("POST", "/api/sendText", body, headers).catch(() => undefined);
    // Another program may have the port by now.
    if (this.#isDown || server.pid !== pid) return undefined;
    const isExpected = !answer || isAccepted(answer) || answer.status >= 500 || answer.body.expected !== undefined;
    if (!isExpected) this.#oddAnswers.push(`${name}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer;
  }
}

/** Pairs two sessions of NOWEB, whose messages WhatsApp sometimes acknowledges late, and starts to send. */
export async function startNowebSends({
  whatsapp,
  rest,
  server,
}: Awaited<ReturnType<typeof openHarness>>): Promise<SendsUnderKills> {
  const sessions = ["alice", "bob"];
  for (const name of sessions) {
    await rest.post("/api/sessions", { name });
    await whatsapp.phone().scan(await rest.qrCode(name));
    await rest.untilStatus(name, "WORKING");
  }
  whatsapp.answerTo = () => (Math.random() < 0.1 ? { delayMs: Math.random() * 1_500 } : {});
  return new SendsUnderKills({
    rest,
    server,
    sessions,
    newPhone: () => whatsapp.phone(),
    until: (condition) => whatsapp.until(condition, "all messages", 60_000),
    /** On the way to the login, while the server sends, or right when a message has left; sometimes after a lost connection. */
    async nextMoment(arrived) {
      if (Math.random() < 0.2) whatsapp.connections.at(Math.floor(Math.random() * whatsapp.connections.length))?.drop();
      const moment = Math.random();
      if (moment < 0.2) return delay(Math.random() * 1_500);
      const before = arrived();
      const many = moment < 0.6 ? 1 : Math.random() * 20;
      await whatsapp.until(() => arrived() > before + many, "messages", 15_000).catch(() => {});
      if (Math.random() < 0.5) await delay(Math.random() * 30);
    },
    faults: () => whatsapp.faults.map(String),
  });
}

/** Returns the id or key of a chat's message. */
const nameOf = ({ phone }: Chat, i: number): string => `${phone.number}.${i}`;

const isAccepted = (answer: RestAnswer | undefined): boolean => answer?.status === 201;

/** All states in which a message is not at WhatsApp. */
const openStates = ["QUEUED", "WAITING", "SENDING", "FAILED", "UNCERTAIN", "EXPIRED", "CANCELLED"]
  .map((state) => `states=${state}`)
  .join("&");
