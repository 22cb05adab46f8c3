import { setTimeout as delay } from "node:timers/promises";
import type { Phone } from "../emulator/phone.ts";
import type { openHarness } from "./harness.ts";
import type { RestAnswer } from "./rest-client.ts";

type Harness = Awaited<ReturnType<typeof openHarness>>;

const sessions = ["alice", "bob"];
/** Ways in which callers make their calls repeatable, and whether they wait for WhatsApp's answer. */
const callers = ["id", "id, waiting", "key, waiting"] as const;
/** Messages of a chat that may wait: a backlog would only make the test longer. */
const maxBacklog = 10;
const retryMs = 20;

/** A chat that one caller writes to, in order. */
interface Chat {
  readonly session: string;
  readonly caller: (typeof callers)[number];
  readonly phone: Phone;
  /** Texts whose call was answered with success. */
  readonly accepted: string[];
}

/** Callers who send beside kills, and what their recipients' phones show. */
export class SendKills {
  readonly #it: Harness;
  readonly #chats: readonly Chat[];
  readonly #ending = new AbortController();
  readonly #writing: Promise<unknown>;
  /** True from a kill until the next server listens. */
  #isDown = false;
  /** Answers that no caller should get. */
  readonly #oddAnswers: string[] = [];

  private constructor(it: Harness, chats: readonly Chat[]) {
    this.#it = it;
    this.#chats = chats;
    this.#writing = Promise.all(chats.map((chat) => this.#write(chat)));
  }

  /** Pairs the sessions and starts to send. The server must have no rate of sending. */
  static async open(it: Harness): Promise<SendKills> {
    const { whatsapp, rest } = it;
    for (const name of sessions) {
      await rest.post("/api/sessions", { name });
      await whatsapp.phone().scan(await rest.qrCode(name));
      await rest.untilStatus(name, "WORKING");
    }
    whatsapp.answerTo = () => (Math.random() < 0.1 ? { delayMs: Math.random() * 1_500 } : {});
    const chats = sessions.flatMap((session) =>
      callers.map((caller) => ({ session, caller, phone: whatsapp.phone(), accepted: [] })),
    );
    // A receipt tells the next process that a message has arrived. Without one, it is sent again.
    for (const [i, { phone }] of chats.entries()) phone.confirmsDelivery = i % 2 === 0;
    return new SendKills(it, chats);
  }

  /** Number of messages that were accepted, and of repeats that the phones dropped. */
  get counts(): { accepted: number; repeats: number } {
    return {
      accepted: this.#chats.reduce((sum, { accepted }) => sum + accepted.length, 0),
      repeats: this.#chats.reduce((sum, { phone }) => sum + phone.repeats.length, 0),
    };
  }

  /** Kills the server once, at some moment: on the way to its login, while it sends, or right when a message has left. */
  async kill(): Promise<void> {
    const { whatsapp, server } = this.#it;
    if (Math.random() < 0.2) whatsapp.connections.at(Math.floor(Math.random() * whatsapp.connections.length))?.drop();
    const moment = Math.random();
    if (moment < 0.2) await delay(Math.random() * 1_500);
    else {
      const before = this.#sent();
      const many = moment < 0.6 ? 1 : Math.random() * 20;
      await whatsapp.until(() => this.#sent() > before + many, "messages", 15_000).catch(() => {});
      if (Math.random() < 0.5) await delay(Math.random() * 30);
    }
    this.#isDown = true;
    await server.kill("SIGKILL");
    await server.restart();
    this.#isDown = false;
  }

  /** Returns each broken promise so far: texts lost, repeated or out of order on a phone, odd answers, faults of the emulator. */
  broken(): string[] {
    const wrong = this.#chats.flatMap(({ session, caller, phone }) => {
      const texts = phone.shown.map(({ text }) => text);
      const at = texts.findIndex((text, i) => text !== `text ${i}`);
      return at < 0 ? [] : [`${session} (${caller}) to ${phone.number}: ${texts.slice(Math.max(0, at - 3), at + 3)}`];
    });
    return [...wrong, ...this.#oddAnswers, ...this.#it.whatsapp.faults.map(String)];
  }

  /** Stops to send, waits until all is sent, and returns each broken promise. */
  async finish(): Promise<string[]> {
    const { whatsapp, rest } = this.#it;
    this.#ending.abort();
    await this.#writing;
    const isMissing = ({ phone, accepted }: Chat) => phone.shown.length < accepted.length;
    await whatsapp.until(() => !this.#chats.some(isMissing), "all messages", 60_000).catch(() => {});
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

  #sent(): number {
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

  async #send({ session, caller, phone }: Chat, i: number): Promise<RestAnswer | undefined> {
    const name = `${phone.number}.${i}`;
    const message = { session, chatId: `${phone.number}@c.us`, text: `text ${i}` };
    const body = caller === "key, waiting" ? message : { ...message, id: name };
    const headers: Record<string, string> =
      caller === "key, waiting" ? { "idempotency-key": name } : caller === "id" ? { prefer: "respond-async" } : {};
    const { server, rest } = this.#it;
    const { pid } = server;
    const answer = await rest.call("POST", "/api/sendText", body, headers).catch(() => undefined);
    // Another program may have the port by now.
    if (this.#isDown || server.pid !== pid) return undefined;
    const isExpected = !answer || isAccepted(answer) || answer.status >= 500 || answer.body.expected !== undefined;
    if (!isExpected) this.#oddAnswers.push(`${name}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer;
  }
}

const isAccepted = (answer: RestAnswer | undefined): boolean => answer?.status === 201;

/** All states in which a message is not at WhatsApp. */
const openStates = ["QUEUED", "WAITING", "SENDING", "FAILED", "UNCERTAIN", "EXPIRED", "CANCELLED"]
  .map((state) => `states=${state}`)
  .join("&");
