import { SendRefused } from "../../ports/sending.ts";

/** Reasons by the error in WhatsApp's acknowledgement of a message (Baileys, SERVER_ERROR_CODES). */
const errorReasons: Readonly<Record<string, string>> = {
  429: "RATE",
  463: "REACHOUT_LOCKED",
  479: "STALE_DEVICES",
};

/** Returns the reason for which WhatsApp's server has refused a message. */
export const refusalReason = (error: string): string =>
  errorReasons[error] ?? `WHATSAPP_${error.replace(/\W/g, "") || "ERROR"}`;

/** Returns the refusal of a message that mentions a person who is not in its chat. */
export const strangerMentioned = (person: string): SendRefused =>
  new SendRefused("STRANGER_MENTIONED", `mentions names ${person}, who is not in the chat`);
