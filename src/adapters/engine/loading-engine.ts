import type { Engine, EngineEvent, UnlinkResult } from "../../ports/engine.ts";
import { PairingCodeRefused } from "../../ports/engine.ts";
import type { MessageFiles } from "../../ports/media.ts";
import { type AccountLimits, ConnectionLost, type Sending, SendRefused } from "../../ports/sending.ts";
import type { Logger } from "../../ports/system.ts";
import { type Closed, closedOnRequest } from "./close-cause.ts";
import { errorFields } from "./error-fields.ts";

const notLoaded: Closed = { cause: "engine_crashed", message: "The engine's library could not be loaded" };

/** An engine that can request pairing codes and send, opened while its library is still being loaded. Ends with `closed` if that fails. */
export class LoadingEngine implements Engine {
  readonly events: AsyncIterable<EngineEvent>;
  readonly pairingCodes = { request: (phoneNumber: string) => this.#requestCode(phoneNumber) };
  readonly sending: Sending = {
    limits: {
      timelock: async () => this.#limits().timelock(),
      capping: async () => this.#limits().capping(),
      isNewChat: async (chatId) => this.#limits().isNewChat(chatId),
    },
    newId: () => this.#sending().newId(),
    upload: async (...parts) => {
      const sending = this.#sending();
      if (!sending.upload) throw new SendRefused("NOT_SUPPORTED", "the engine cannot send files");
      return sending.upload(...parts);
    },
    send: async (...parts) => this.#sending().send(...parts),
    chatIdOf: async (chatId) => (await this.#engine?.sending?.chatIdOf?.(chatId)) ?? chatId,
    findMessage: async (name) => this.#sending().findMessage(name),
    markSeen: async (...parts) => this.#sending().markSeen(...parts),
    setTyping: async (...parts) => this.#sending().setTyping(...parts),
    findAccount: async (number) => this.#sending().findAccount(number),
  };
  readonly messageFiles: MessageFiles = {
    find: async (name) => {
      const files = this.#engine?.messageFiles;
      if (!files) throw new ConnectionLost("the engine is not logged in");
      return files.find(name);
    },
  };
  /** Undefined if the engine was closed first or could not be opened. */
  readonly #opened: Promise<Engine | undefined>;
  readonly #closing = Promise.withResolvers<undefined>();
  #engine: Engine | undefined;
  #closed: Closed | undefined;

  /** `opening` resolves with the function that opens the engine once its library is loaded. It is not called after `close`. */
  constructor(opening: Promise<() => Engine>, logger: Logger) {
    const opened = opening
      .then((open) => {
        if (!this.#closed) this.#engine = open();
        return this.#engine;
      })
      .catch((error: unknown) => {
        logger.error(errorFields(error), "the engine's library could not be loaded");
        this.#closed ??= notLoaded;
        return undefined;
      });
    this.#opened = Promise.race([opened, this.#closing.promise]);
    this.events = this.#events();
  }

  get lastInboundAtMs(): number | undefined {
    return this.#engine?.lastInboundAtMs;
  }

  async logout(): Promise<UnlinkResult> {
    const engine = await this.#opened;
    return engine ? engine.logout() : "unknown";
  }

  async close(): Promise<void> {
    if (this.#engine) return this.#engine.close();
    this.#closed ??= closedOnRequest;
    this.#closing.resolve(undefined);
  }

  async *#events(): AsyncGenerator<EngineEvent, void, void> {
    const engine = await this.#opened;
    if (engine) yield* engine.events;
    else yield { type: "closed", ...(this.#closed ?? closedOnRequest) };
  }

  /** Throws ConnectionLost before the engine is open: nothing is sent before it is logged in. */
  #sending(): Sending {
    const sending = this.#engine?.sending;
    if (!sending) throw new ConnectionLost("the engine is not logged in");
    return sending;
  }

  #limits(): AccountLimits {
    const { limits } = this.#sending();
    if (!limits) throw new ConnectionLost("the engine does not know the limits");
    return limits;
  }

  async #requestCode(phoneNumber: string): Promise<string> {
    const codes = (await this.#opened)?.pairingCodes;
    if (!codes) throw new PairingCodeRefused(this.#closed?.message ?? closedOnRequest.message);
    return codes.request(phoneNumber);
  }
}
