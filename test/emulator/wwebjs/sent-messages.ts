/** Messages that pages send, and reports on how far they have come. */
import type { WebDevice, WebMessage, WebPhone } from "./web-phone.ts";
import type { WhatsAppWeb } from "./whatsapp-web.ts";

/** A message as a page sends it. */
export interface SentWebMessage extends WebMessage {
  readonly quoted?: { readonly id: string; readonly body: string };
  readonly mentions?: readonly string[];
  /** Title of a link's preview. */
  readonly title?: string;
  readonly media?: SentMedia;
  readonly reaction?: { readonly text: string; readonly target: { readonly id: string; readonly fromMe: boolean } };
}

/** The file of a message; `bars`: length of the waveform. */
export interface SentMedia {
  readonly type: string;
  readonly mimetype: string;
  readonly filename: string;
  readonly caption?: string;
  readonly directPath: string;
  readonly bars: number;
}

/** A message that a phone shows. `from`: number of the account that sent it. */
export interface ShownMessage
  extends Pick<SentWebMessage, "id" | "quoted" | "mentions" | "title" | "media" | "reaction"> {
  readonly from: string;
  readonly text: string;
}

/** Answer of the server: an acknowledgement, perhaps late, or an error's number. "none": it delivers without an answer; "lost": nothing. */
export type ServerAnswer = { readonly delayMs?: number; readonly error?: number } | "none" | "lost";

/** A report of a person on a message; `participant` is the person in a group. */
export interface WebReceipt {
  readonly key: string;
  readonly id: string;
  readonly ack: number;
  readonly participant?: string;
}

/** Acknowledgements by the type of a receipt. */
export const receiptAcks = { "": 2, read: 3, played: 4 } as Record<string, number> & { "": number };

/** Delivers a message that a page has sent, and the recipients' receipts. */
export function routeMessage(whatsapp: WhatsAppWeb, device: WebDevice, message: SentWebMessage): void {
  const { owner } = device;
  const { chat, id, body, quoted, mentions, title, media, reaction, t } = message;
  const members = whatsapp.groups.get(chat);
  const other = whatsapp.named(chat);
  const recipients = (members ?? (other ? [other] : [])).filter((phone) => phone !== owner);
  const shown: ShownMessage = {
    ...{ id, from: owner.number, text: body },
    ...(quoted && { quoted }),
    ...(mentions && { mentions }),
    ...(title !== undefined && { title }),
    ...(media && { media }),
    ...(reaction && { reaction }),
  };
  const group = members && chat;
  if (!reaction) owner.copySent(message, device);
  for (const recipient of recipients) {
    recipient.receive(shown, reaction ? undefined : received(owner, recipient, { id, body, t, group }));
    if (recipient.confirmsDelivery && !reaction) recipient.confirm(owner, [id], group ? { group } : {});
  }
}

function received(
  from: WebPhone,
  to: WebPhone,
  { group, ...message }: { id: string; body: string; t: number; group: string | undefined },
): WebMessage {
  const inGroup = group === undefined ? {} : { from: group, chat: group, author: from.jid };
  return { ...message, fromMe: false, from: from.jid, to: to.jid, chat: from.jid, ...inGroup };
}
