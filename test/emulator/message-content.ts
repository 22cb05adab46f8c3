/** Content of messages that change other messages. */
import { proto } from "@whiskeysockets/baileys";

const { REVOKE, MESSAGE_EDIT } = proto.Message.ProtocolMessage.Type;

/** Content of a reaction to the message `id`, which the sender of the reaction wrote if `fromMe`. */
export const reaction = (id: string, remoteJid: string, fromMe: boolean, text: string): proto.IMessage => ({
  reactionMessage: { key: { id, remoteJid, fromMe }, text },
});
/** Content of a message that gives another one of its sender a new text. */
export const edit = (id: string, remoteJid: string, text: string): proto.IMessage => ({
  editedMessage: {
    message: {
      protocolMessage: {
        key: { id, remoteJid, fromMe: true },
        type: MESSAGE_EDIT,
        editedMessage: { conversation: text },
      },
    },
  },
});
/** Content of a message that deletes another one of its sender. */
export const revocation = (id: string, remoteJid: string): proto.IMessage => ({
  protocolMessage: { key: { id, remoteJid, fromMe: true }, type: REVOKE },
});
