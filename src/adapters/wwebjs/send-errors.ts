import { SendRefused } from "../../ports/sending.ts";
import { textOf } from "./close-cause.ts";

/** Errors of the library and of WhatsApp Web, and the reason of the refusal. */
const refusals: readonly (readonly [RegExp, string, string])[] = [
  [/could not get the quoted message/i, "QUOTE_UNKNOWN", "replyTo names a message that the page does not have"],
  [/no lid for user/i, "NO_ACCOUNT", "chatId names nobody whom WhatsApp knows"],
  [/no such chat/i, "NOT_A_MEMBER", "chatId names no chat of the account"],
  [/upload failed/i, "MEDIA_UNAVAILABLE", "WhatsApp did not take the file"],
  [/contact is blocked/i, "BLOCKED", "the account has blocked chatId"],
  [/reaction send error/i, "WHATSAPP_ERROR", "WhatsApp refused the reaction"],
];

/** Errors of a page whose document was replaced, with the files in it, or whose library is not there yet. */
const isBetweenDocuments = (text: string): boolean =>
  /page is not ready|no such file|context was destroyed|Cannot find context|detached Frame/i.test(text);

/** Returns the error of the port for an error of the page, "between documents" if the page can be asked again, or the error itself. */
export function refusalIn(error: unknown): unknown {
  const text = textOf(error);
  if (isBetweenDocuments(text)) return "between documents";
  const refusal = refusals.find(([pattern]) => pattern.test(text));
  return refusal ? new SendRefused(refusal[1], refusal[2]) : error;
}
