import {
  type BinaryNode,
  getBinaryNodeChild,
  hmacSign,
  proto,
  WA_ADV_HOSTED_ACCOUNT_SIG_PREFIX,
  type WASocket,
} from "@whiskeysockets/baileys";
import { PairingCodeRefused } from "../../ports/engine.ts";

/**
 * Asks WhatsApp for a pairing code and resolves once WhatsApp has accepted the request. What Baileys has noted in the creds for it
 * is taken back if it does not. Rejects with PairingCodeRefused.
 */
export async function requestCode(socket: WASocket, phoneNumber: string, limitMs: number): Promise<string> {
  const { creds } = socket.authState;
  const { me, pairingCode } = creds;
  try {
    // Baileys does not wait for the answer itself; it has to be listened for before the request goes out.
    const answer = socket.waitForMessage<BinaryNode>(followingTag(socket.generateMessageTag()), limitMs);
    answer.catch(() => {});
    const code = await socket.requestPairingCode(phoneNumber);
    assertAccepted(await answer);
    return code;
  } catch (error) {
    if (!creds.account) {
      if (me) creds.me = me;
      else delete creds.me;
      creds.pairingCode = pairingCode;
    }
    if (error instanceof PairingCodeRefused) throw error;
    throw new PairingCodeRefused("The connection to WhatsApp was lost before it answered");
  }
}

/** The id that Baileys gives its next stanza: a prefix and a counter (its generateMessageTag). */
function followingTag(tag: string): string {
  const counter = /\d+$/.exec(tag)?.[0] ?? "";
  return `${tag.slice(0, tag.length - counter.length)}${Number(counter) + 1}`;
}

function assertAccepted(answer: BinaryNode | undefined): void {
  if (!answer) throw new PairingCodeRefused("WhatsApp did not answer the request for a pairing code");
  if (answer.attrs.type !== "error") return;
  const { text = "no reason given", code = "unknown" } = getBinaryNodeChild(answer, "error")?.attrs ?? {};
  throw new PairingCodeRefused(`WhatsApp refused the request for a pairing code: ${text} (${code})`);
}

/**
 * Keeps QR codes good after a pairing code was tried. The attempt replaces the secret that a phone proves to know, but the QR
 * codes of the connection hold the first one: pairing goes on with whichever of the two the phone has used.
 */
export function honourShownSecret(socket: WASocket): void {
  const { creds } = socket.authState;
  const shown = creds.advSecretKey;
  socket.ws.prependListener("CB:iq,,pair-success", (stanza: BinaryNode) => {
    if (creds.advSecretKey !== shown && isSignedWith(stanza, shown)) creds.advSecretKey = shown;
  });
}

/** As Baileys checks it (lib/Utils/validate-connection.js, configureSuccessfulPairing). */
function isSignedWith(stanza: BinaryNode, secret: string): boolean {
  const identity = getBinaryNodeChild(getBinaryNodeChild(stanza, "pair-success"), "device-identity")?.content;
  if (!(identity instanceof Uint8Array)) return false;
  const { details, hmac, accountType } = proto.ADVSignedDeviceIdentityHMAC.decode(identity);
  if (!details || !hmac) return false;
  const prefix = accountType === proto.ADVEncryptionType.HOSTED ? WA_ADV_HOSTED_ACCOUNT_SIG_PREFIX : Buffer.alloc(0);
  return hmacSign(Buffer.concat([prefix, details]), Buffer.from(secret, "base64")).equals(hmac);
}
