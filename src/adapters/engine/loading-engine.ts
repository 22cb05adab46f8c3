import type { Ability, Engine, EngineAbilities, EngineEvent, EngineOptions, UnlinkResult } from "../../ports/engine.ts";
import { PairingCodeRefused } from "../../ports/engine.ts";
import { ConnectionLost, type Sending } from "../../ports/sending.ts";
import type { Logger } from "../../ports/system.ts";
import { type Closed, closedOnRequest } from "./close-cause.ts";
import { errorFields } from "./error-fields.ts";
import type { LazyLibrary } from "./lazy-library.ts";

/** Opens an engine of a library: at once if the library is loaded, else one that waits for it. */
export function openWhenLoaded(
  library: LazyLibrary<{ open(options: EngineOptions): Engine }>,
  abilities: readonly Ability[],
  options: EngineOptions,
): Engine {
  if (library.loaded) return library.loaded.open(options);
  const opening = library.load().then((loaded) => () => loaded.open(options));
  return new LoadingEngine(opening, abilities, options.logger);
}

const notLoaded: Closed = { cause: "engine_crashed", message: "The engine's library could not be loaded" };

/** An engine that is opened while its library is still being loaded. Ends with `closed` if that fails. */
export class LoadingEngine implements Engine {
  readonly events: AsyncIterable<EngineEvent>;
  /** Stand in for the engine's own abilities until it is open. */
  readonly #waiting: EngineAbilities;
  /** Undefined if the engine was closed first or could not be opened. */
  readonly #opened: Promise<Engine | undefined>;
  readonly #closing = Promise.withResolvers<undefined>();
  #engine: Engine | undefined;
  #closed: Closed | undefined;

  /** `opening` resolves with the function that opens the engine once its library is loaded. It is not called after `close`. */
  constructor(opening: Promise<() => Engine>, abilities: readonly Ability[], logger: Logger) {
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
    this.#waiting = this.#standIns(abilities);
  }

  get pairingCodes() {
    return (this.#engine ?? this.#waiting).pairingCodes;
  }

  get screenshots() {
    return (this.#engine ?? this.#waiting).screenshots;
  }

  get sending() {
    return (this.#engine ?? this.#waiting).sending;
  }

  get messageFiles() {
    return (this.#engine ?? this.#waiting).messageFiles;
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

  /** Returns abilities that wait for the engine where that makes sense: for codes and pictures. Others need a login first. */
  #standIns(abilities: readonly Ability[]): EngineAbilities {
    const has = (ability: Ability) => abilities.includes(ability);
    const opened = this.#opened;
    const ended = () => this.#closed?.message ?? closedOnRequest.message;
    return {
      ...(has("pairingCodes") && {
        pairingCodes: {
          async request(phoneNumber) {
            const codes = (await opened)?.pairingCodes;
            if (!codes) throw new PairingCodeRefused(ended());
            return codes.request(phoneNumber);
          },
        },
      }),
      ...(has("screenshots") && {
        screenshots: {
          async take() {
            const screenshots = (await opened)?.screenshots;
            if (!screenshots) throw new Error(ended());
            return screenshots.take();
          },
        },
      }),
      ...(has("sending") && { sending: sendingBeforeLogin }),
      ...(has("messageFiles") && { messageFiles: { find: refuse } }),
    };
  }
}

const refuse = async (): Promise<never> => {
  throw new ConnectionLost("the engine is not logged in");
};

const sendingBeforeLogin: Sending = {
  newId() {
    throw new ConnectionLost("the engine is not logged in");
  },
  send: refuse,
  findMessage: refuse,
  markSeen: refuse,
  setTyping: refuse,
  findAccount: refuse,
};
