/** First messages of a phone to a newly linked device: an app state key and the first history sync. */
import { randomBytes } from "node:crypto";
import { deflateSync } from "node:zlib";
import { proto } from "@whiskeysockets/baileys";
import type { LinkedDevice } from "./device.ts";
import { newMessageId, sendFromPhone } from "./messages.ts";
import type { WhatsApp } from "./whatsapp.ts";

const { HistorySyncType } = proto.HistorySync;
const { Type } = proto.Message.ProtocolMessage;

/** Sends both as peer messages, which a client must process but never show. */
export async function sendHistory(whatsapp: WhatsApp, device: LinkedDevice): Promise<void> {
  const { phone } = device;
  const send = (protocolMessage: proto.Message.IProtocolMessage): Promise<void> =>
    sendFromPhone(whatsapp, phone, device, { protocolMessage }, { id: newMessageId(), type: "text", category: "peer" });
  const key = {
    keyId: { keyId: randomBytes(6) },
    keyData: {
      keyData: randomBytes(32),
      fingerprint: { rawId: phone.rawId, currentIndex: 0, deviceIndexes: [0] },
      timestamp: Date.now(),
    },
  };
  await send({ type: Type.APP_STATE_SYNC_KEY_SHARE, appStateSyncKeyShare: { keys: [key] } });
  const history = proto.HistorySync.encode({
    syncType: HistorySyncType.INITIAL_BOOTSTRAP,
    progress: 100,
    chunkOrder: 1,
    conversations: [],
  }).finish();
  await send({
    type: Type.HISTORY_SYNC_NOTIFICATION,
    historySyncNotification: {
      syncType: HistorySyncType.INITIAL_BOOTSTRAP,
      chunkOrder: 1,
      progress: 100,
      initialHistBootstrapInlinePayload: deflateSync(history),
    },
  });
}
