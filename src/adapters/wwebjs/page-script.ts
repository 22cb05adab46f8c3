/**
 * Functions that run in WhatsApp Web's page, not in Node: each is sent there as text, so it may use nothing but its arguments and
 * the page's `window`. The modules' names and shapes are those whatsapp-web.js itself relies on.
 */

interface Emitter {
  on(names: string, handler: (subject: PageMessage, value: string) => void): void;
}

interface PageMessage {
  readonly type: string;
  readonly isNewMsg?: boolean;
  /** When it was sent (Unix s). */
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
    Msg: Emitter & { getModelsArray?(): PageMessage[] };
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
  /** Messages that came before the library listened; undefined once it does. */
  sessiondEarly?: PageMessage[] | undefined;
  sessiondWatches?: boolean;
};

/** The account as the page has it. */
export interface PageAccount {
  readonly id: string;
  readonly lid?: string;
  readonly pushName: string;
}

/** What the page says of itself. */
export interface PageStatus {
  readonly state: string;
  readonly account: PageAccount | undefined;
}

/** Whether this document has been entered already: going to another address within it is no new one. */
export const isEntered = (): boolean => window.sessiondWatches === true;

/** Reports the socket's states, the present one first, and the end of the login. Once per document. */
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
 * Keeps new messages until the library listens, which it does only after the synchronisation; what came while the device was
 * offline comes before. Does nothing where the page has no messages yet.
 */
export function keepEarlyMessages(): void {
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
 * Gives the kept messages out, and with them what the page already had and was sent at `sinceS` (Unix s) or later: a page that
 * was killed may have confirmed it to WhatsApp and told nobody else. The oldest come first. One that cannot be read yet is
 * reported when it can be, one that never can be is left out.
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
      return [];
    }
    try {
      return [WWebJS.getMessageModel(message)];
    } catch {
      return [];
    }
  });
}

/** The library listens for the end of the synchronisation; if that has passed, it has to be told. */
export function catchUpWithSync(): void {
  const { Socket } = window.require("WAWebSocketModel");
  if (Socket.hasSynced && !window.WWebJS) void window.onAppStateHasSyncedEvent();
}

/** The socket's state, and the account once it is known. What a document does before it is entered is no state of the connection. */
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

/** Begins a new round of codes: the library's own attempt runs in Node and fails. */
export const refreshQr = (): void => window.require("WAWebCmd").Cmd.refreshQR();

/** Unlinks the device at WhatsApp. */
export const unlinkDevice = (): Promise<void> => window.require("WAWebSocketModel").Socket.logout();

/** The other ids of these people as far as the page has them without asking WhatsApp: numbers of LIDs, LIDs of numbers. */
export function otherIds(ids: readonly string[]): (string | null)[] {
  const first = (sources: readonly (() => Wid | null | undefined)[]): string | null => {
    for (const source of sources) {
      try {
        const found = source();
        if (found) return found._serialized;
      } catch {
        // This page has no such module, or knows nobody by this id.
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
