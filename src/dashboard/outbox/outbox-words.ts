import { Outgoing_State as State } from "../../../gen/sessiond/v1/outgoing_pb.js";
import { choicesOf } from "../ui/state-choices.ts";
import type { StateWords } from "../ui/state-mark.ts";

export const outgoingWords: Readonly<Record<State, StateWords>> = {
  [State.STATE_UNSPECIFIED]: { label: "Unknown", shape: "·", tone: "STOPPED" },
  [State.QUEUED]: { label: "Queued", shape: "◌", tone: "SCAN_QR_CODE" },
  [State.WAITING]: { label: "Waiting", shape: "◌", tone: "SCAN_QR_CODE" },
  [State.SENDING]: { label: "Sending", shape: "◐", tone: "STARTING" },
  [State.SENT]: { label: "Sent", shape: "●", tone: "WORKING" },
  [State.DELIVERED]: { label: "Delivered", shape: "●", tone: "WORKING" },
  [State.READ]: { label: "Read", shape: "●", tone: "WORKING" },
  [State.PLAYED]: { label: "Played", shape: "●", tone: "WORKING" },
  [State.FAILED]: { label: "Failed", shape: "▲", tone: "FAILED" },
  [State.UNCERTAIN]: { label: "Uncertain", shape: "▲", tone: "FAILED" },
  [State.EXPIRED]: { label: "Expired", shape: "■", tone: "STOPPED" },
  [State.CANCELLED]: { label: "Cancelled", shape: "■", tone: "STOPPED" },
};

export const outgoingChoices = choicesOf("Any state", State, outgoingWords);

/** Sentences about reasons, by the words of the server. */
const reasonSentences: Readonly<Record<string, string>> = {
  SESSION_NOT_WORKING: "It leaves as soon as the session works.",
  EARLIER_MESSAGE: "It leaves after the earlier messages of its chat.",
  RATE: "The account sends too fast.",
  NO_ACCOUNT: "The number has no account at WhatsApp.",
  NOT_A_MEMBER: "The account is not a member of the group.",
  NOT_SUPPORTED: "The engine cannot send this kind of message.",
  REACHOUT_LOCKED: "WhatsApp has locked new chats of this account. Replies still pass.",
  STRANGER_MENTIONED: "It mentions a person who is not in the chat.",
  STALE_DEVICES: "The recipient's devices have changed. Send it again.",
  MEDIA_REFUSED: "WhatsApp refused the file.",
  MEDIA_UNAVAILABLE: "WhatsApp did not take the file.",
  QUOTE_UNKNOWN: "The session does not know the message that it replies to any more.",
  BLOCKED: "The account has blocked this person.",
  SEND_FAILED: "The engine could not send it. The server's log says why.",
  EXPIRED: "The session did not work in time.",
  NOT_ACKNOWLEDGED: "WhatsApp has not acknowledged it. It may have arrived.",
  CALLER: "A user cancelled it.",
  LOGGED_OUT: "The session was logged out before it left.",
};

/** Returns a sentence about a reason; "" without one. */
export function reasonSentence(reason: string): string {
  if (reason === "") return "";
  const known = Object.hasOwn(reasonSentences, reason) ? reasonSentences[reason] : undefined;
  if (known) return known;
  const code = /^WHATSAPP_(\d+)$/.exec(reason)?.[1];
  return code ? `WhatsApp refused it with the error ${code}.` : `The server gives this reason: ${reason}.`;
}

/** Returns true if a message can still be cancelled. */
export const isCancellable = (state: State): boolean => state === State.QUEUED || state === State.WAITING;

/** Returns true if the state of a message is about to change. */
export const isUnderWay = (state: State): boolean => isCancellable(state) || state === State.SENDING;

/** Characters of a text in the list, at most. */
const shownLength = 80;

/** Returns a text shortened to one line. */
export function shortened(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  const characters = [...line.slice(0, 4 * shownLength)];
  return characters.length > shownLength ? `${characters.slice(0, shownLength - 1).join("")}…` : line;
}
