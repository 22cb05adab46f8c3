/**
 * Functions that run in WhatsApp Web's page, not in Node. Each is sent there as text, so it may use only its arguments and the page's
 * `window`. whatsapp-web.js relies on the same module names and shapes.
 */

interface Emitter {
  on(names: string, handler: (subject: PageMessage, value: string) => void): void;
}

interface PageMessage {
  readonly type: string;
  readonly isNewMsg?: boolean;
  /** Send time (Unix s). */
  readonly t?: number;
  once(name: string, handler: () => void): void;
}

interface Modules {
  WAWebSocketModel: { Socket: Emitter & { state: string; hasSynced: boolean; logout(): Promise<void> } };
  WAWebConnModel: { Conn: Emitter & { pushname?: string } };
  WAWebCmd: { Cmd: Emitter & { refreshQR(): void } };
  WAWebUserPrefsMeUser: Record<
    "getMaybeMePnUser" | "getMaybeMeLidUser",
    () => { user: string; server: string } | undefined
  >;
  WAWebCollections: {
    Msg: Emitter & {
      getModelsArray?(): PageMessage[];
      /** Also finds messages that the page has on disk only. */
      getMessagesById?(ids: readonly string[]): Promise<{ readonly messages?: readonly PageMessage[] } | undefined>;
    };
    Contact?: { get(id: string): { readonly phoneNumber?: Wid | null } | undefined };
  };
  WAWebWidFactory: { createWid(text: string): Wid };
  WAWebApiContact: Record<"getPhoneNumber" | "getCurrentLid", (wid: Wid) => Wid | null | undefined>;
  WAWebLidMigrationUtils: { toPn(wid: Wid): Wid | null | undefined };
}

interface Wid {
  readonly _serialized: string;
}

declare const window: {
  require<Name extends keyof Modules>(name: Name): Modules[Name];
  WWebJS?: { getMessageModel(message: PageMessage): object };
  onAppStateHasSyncedEvent(): Promise<void>;
  sessiondReport(kind: "state" | "logout" | "message", value: unknown): Promise<void>;
  /** Messages that came before the library listens; undefined afterwards. */
  sessiondEarly?: PageMessage[] | undefined;
  sessiondWatches?: boolean;
};

/** The account in the page's form. */
export interface PageAccount {
  readonly id: string;
  readonly lid?: string;
  readonly pushName: string;
}

/** The page's state and account. */
export interface PageStatus {
  readonly state: string;
  readonly account: PageAccount | undefined;
}

/** Returns whether this document has been entered. Navigation within the document does not change that. */
export const isEntered = (): boolean => window.sessiondWatches === true;

/** Reports the socket's states, starting with the current one, and the end of the login. Once per document. */
export function watchPage(): void {
  if (window.sessiondWatches) return;
  window.sessiondWatches = true;
  const { Socket } = window.require("WAWebSocketModel");
  const { Cmd } = window.require("WAWebCmd");
  Socket.on("change:state", (_, state) => void window.sessiondReport("state", state));
  for (const name of ["logout", "logout_from_bridge"]) Cmd.on(name, () => void window.sessiondReport("logout", null));
  void window.sessiondReport("state", Socket.state);
}

/**
 * Holds new messages until the library listens, which it does only after the synchronisation. Messages from the time when the device
 * was offline come before that. Does nothing where the page has no message module yet.
 */
export function holdEarlyMessages(): void {
  try {
    const { Msg } = window.require("WAWebCollections");
    const early: PageMessage[] = (Msg.getModelsArray?.() ?? []).filter((message) => message.isNewMsg);
    window.sessiondEarly = early;
    Msg.on("add", (message) => {
      if (message.isNewMsg) window.sessiondEarly?.push(message);
    });
  } catch {
    window.sessiondEarly = undefined;
  }
}

/**
 * Returns the held messages and those that the page already had, sent at `sinceS` (Unix s) or later, oldest first. A page that was
 * killed may have confirmed the latter to WhatsApp without reporting them. One that is not decrypted yet is reported again when it is.
 */
export function takeEarlyMessages(sinceS: number | null): object[] {
  const early = window.sessiondEarly ?? [];
  window.sessiondEarly = undefined;
  const { WWebJS } = window;
  if (!WWebJS) return [];
  const known = sinceS === null ? [] : (window.require("WAWebCollections").Msg.getModelsArray?.() ?? []);
  const missed = known.filter(({ isNewMsg, t = 0 }) => !isNewMsg && t >= (sinceS ?? 0));
  const inOrder = [...missed, ...early].toSorted((a, b) => (a.t ?? 0) - (b.t ?? 0));
  return inOrder.flatMap((message) => {
    if (message.type === "ciphertext") {
      message.once("change:type", () => void window.sessiondReport("message", WWebJS.getMessageModel(message)));
    }
    try {
      return [WWebJS.getMessageModel(message)];
    } catch {
      return [];
    }
  });
}

/** Returns the messages with these ids, as far as the page has them. One that is not decrypted yet is reported again when it is. */
export async function takeMessages(ids: readonly string[]): Promise<object[]> {
  const { WWebJS } = window;
  const found = await window.require("WAWebCollections").Msg.getMessagesById?.(ids);
  return (found?.messages ?? []).flatMap((message) => {
    if (!WWebJS) return [];
    if (message.type === "ciphertext") {
      message.once("change:type", () => void window.sessiondReport("message", WWebJS.getMessageModel(message)));
    }
    return [WWebJS.getMessageModel(message)];
  });
}

/** Tells the library that the synchronisation has ended, if that was before it listened. */
export function catchUpWithSync(): void {
  const { Socket } = window.require("WAWebSocketModel");
  if (Socket.hasSynced && !window.WWebJS) void window.onAppStateHasSyncedEvent();
}

/** Returns the socket's state, and the account once it is known. The state is OPENING until the document is entered. */
export function pageStatus(): PageStatus {
  const { Socket } = window.require("WAWebSocketModel");
  const state = window.sessiondWatches ? Socket.state : "OPENING";
  try {
    const prefs = window.require("WAWebUserPrefsMeUser");
    const lid = prefs.getMaybeMeLidUser();
    const wid = prefs.getMaybeMePnUser() ?? lid;
    const pushName = window.require("WAWebConnModel").Conn.pushname ?? "";
    return {
      state,
      account: wid && { id: `${wid.user}@${wid.server}`, ...(lid && { lid: `${lid.user}@${lid.server}` }), pushName },
    };
  } catch {
    return { state, account: undefined };
  }
}

/** Asks the page for more codes. The library's own attempt runs in Node and fails. */
export const refreshQr = (): void => window.require("WAWebCmd").Cmd.refreshQR();

/** Unlinks the device at WhatsApp. */
export const unlinkDevice = (): Promise<void> => window.require("WAWebSocketModel").Socket.logout();

/** Returns the other ids of these people, in their order, as far as the page knows them without asking WhatsApp. */
export function otherIds(ids: readonly string[]): (string | null)[] {
  const first = (sources: readonly (() => Wid | null | undefined)[]): string | null => {
    for (const source of sources) {
      try {
        const found = source();
        if (found) return found._serialized;
      } catch {
        // This page lacks the module, or does not know the id.
      }
    }
    return null;
  };
  return ids.map((id) => {
    const wid = () => window.require("WAWebWidFactory").createWid(id);
    if (!id.endsWith("@lid")) return first([() => window.require("WAWebApiContact").getCurrentLid(wid())]);
    return first([
      () => window.require("WAWebApiContact").getPhoneNumber(wid()),
      () => window.require("WAWebLidMigrationUtils").toPn(wid()),
      () => window.require("WAWebCollections").Contact?.get(id)?.phoneNumber,
    ]);
  });
}
