import { S_WHATSAPP_NET, type WASocket } from "@whiskeysockets/baileys";

/** Removes this device from the account. The socket must be logged in; false if WhatsApp does not confirm in time. */
export async function unlinkDevice(socket: WASocket, limitMs: number): Promise<boolean> {
  const jid = socket.user?.id;
  if (!jid) return false;
  // Baileys' logout() sends the same query and closes without waiting for the answer.
  const answer: unknown = await socket
    .query(
      {
        tag: "iq",
        attrs: { to: S_WHATSAPP_NET, type: "set", xmlns: "md" },
        content: [{ tag: "remove-companion-device", attrs: { jid, reason: "user_initiated" } }],
      },
      limitMs,
    )
    .catch(() => undefined);
  return answer !== undefined;
}
