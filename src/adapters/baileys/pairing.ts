import {
  type BinaryNode,
  getBinaryNodeChild,
  hmacSign,
  proto,
  WA_ADV_HOSTED_ACCOUNT_SIG_PREFIX,
  type WASocket,
} from "@whiskeysockets/baileys";
import { PairingCodeRefused, type PairingCodes } from "../../ports/engine.ts";
import { noCodeInTime, notPairing } from "../engine/pairing.ts";

/** A socket that waits for a phone. */
export interface PairingSocket {
  readonly socket: WASocket;
  /** Called when Baileys has changed the creds. */
  credsChanged(): void;
}

/** Returns the ability to ask for pairing codes, one after another. `target` returns the socket that waits for a phone, if there is one. */
export function pairingCodesOf(target: () => PairingSocket | undefined, limitMs: number): PairingCodes {
  let last: Promise<unknown> = Promise.resolve();
  return {
    request(phoneNumber) {
      const code = last.then(async () => {
        const found = target();
        if (!found) throw notPairing();
        try {
          return await requestCode(found.socket, phoneNumber, limitMs);
        } finally {
          found.credsChanged();
        }
      });
      last = code.catch(() => {});
      return code;
    },
  };
}

/** Resolves with a code once WhatsApp has accepted the request; otherwise undoes Baileys' changes to the creds. Rejects with PairingCodeRefused. */
async function requestCode(socket: WASocket, phoneNumber: string, limitMs: number): Promise<string> {
  const { creds } = socket.authState;
  const { me, pairingCode } = creds;
  try {
    // Baileys does not wait for the answer, so the engine listens for it before the request leaves.
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

/** Returns the id that Baileys gives its next stanza: a prefix and a counter (its generateMessageTag). */
function followingTag(tag: string): string {
  const counter = /\d+$/.exec(tag)?.[0] ?? "";
  return `${tag.slice(0, tag.length - counter.length)}${Number(counter) + 1}`;
}

function assertAccepted(answer: BinaryNode | undefined): void {
  if (!answer) throw noCodeInTime();
  if (answer.attrs.type !== "error") return;
  const { text = "no reason given", code = "unknown" } = getBinaryNodeChild(answer, "error")?.attrs ?? {};
  throw new PairingCodeRefused(`WhatsApp refused the request for a pairing code: ${text} (${code})`);
}

/**
 * Lets a phone pair by a QR code after a pairing code was requested. The request replaces the secret that the phone signs with, but
 * the connection's QR codes hold the first secret. Accepts whichever of the two the phone has used.
 */
export function honourShownSecret(socket: WASocket): void {
  const { creds } = socket.authState;
  const shown = creds.advSecretKey;
  socket.ws.prependListener("CB:iq,,pair-success", (stanza: BinaryNode) => {
    if (creds.advSecretKey !== shown && isSignedWith(stanza, shown)) creds.advSecretKey = shown;
  });
}

/** Checks the signature as Baileys does (lib/Utils/validate-connection.js, configureSuccessfulPairing). */
function isSignedWith(stanza: BinaryNode, secret: string): boolean {
  const identity = getBinaryNodeChild(getBinaryNodeChild(stanza, "pair-success"), "device-identity")?.content;
  if (!(identity instanceof Uint8Array)) return false;
  const { details, hmac, accountType } = proto.ADVSignedDeviceIdentityHMAC.decode(identity);
  if (!details || !hmac) return false;
  const prefix = accountType === proto.ADVEncryptionType.HOSTED ? WA_ADV_HOSTED_ACCOUNT_SIG_PREFIX : Buffer.alloc(0);
  return hmacSign(Buffer.concat([prefix, details]), Buffer.from(secret, "base64")).equals(hmac);
}
