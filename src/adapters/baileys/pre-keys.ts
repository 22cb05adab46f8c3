import { type BinaryNode, getNextPreKeysNode, INITIAL_PREKEY_COUNT, type WASocket } from "@whiskeysockets/baileys";

/**
 * Uploads the pre-keys of a new or restored device before Baileys does. Baileys' own upload leaves a timer of 30 s that nothing can
 * stop (lib/Socket/socket.js, uploadPreKeys) and that delays the process's exit. If this upload fails, Baileys makes its own. Call it
 * before anything comes in.
 */
export function uploadFirstPreKeys(socket: WASocket, onFailure: (error: unknown) => void): void {
  const { ws } = socket;
  const listeners = ws.listeners("CB:success");
  ws.removeAllListeners("CB:success");
  ws.on("CB:success", async (stanza: BinaryNode) => {
    await upload(socket).catch(onFailure);
    await Promise.all(listeners.map((listener) => Reflect.apply(listener, ws, [stanza])));
  });
}

async function upload({ authState, ev, query }: WASocket): Promise<void> {
  const { creds, keys } = authState;
  if (!creds.me) return;
  if (creds.firstUnuploadedPreKeyId > 1) {
    const last = String(creds.nextPreKeyId - 1);
    if ((await keys.get("pre-key", [last]))[last]) return;
  }
  const node = await keys.transaction(async () => {
    const next = await getNextPreKeysNode(authState, INITIAL_PREKEY_COUNT);
    ev.emit("creds.update", next.update);
    return next.node;
  }, creds.me.id);
  await query(node);
}
