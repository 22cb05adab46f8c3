import { ConnectionLost, SendRefused } from "../../ports/sending.ts";

/** Baileys' status codes of its own errors, and WhatsApp's of refused queries. */
const timedOut = 408;
const connectionClosed = 428;
const refusals: Readonly<Record<number, SendRefused>> = {
  401: new SendRefused("NOT_A_MEMBER", "the account is not a member of chatId"),
  403: new SendRefused("NOT_A_MEMBER", "the account is not a member of chatId"),
  404: new SendRefused("NO_ACCOUNT", "chatId names nothing at WhatsApp"),
  429: new SendRefused("RATE", "WhatsApp refused the message because the account sends too fast"),
};

/** Returns the error of the port for an error of Baileys: a lost connection, a refusal, or the error itself. */
export function refusalIn(error: unknown): unknown {
  const code = statusOf(error);
  if (code === timedOut || code === connectionClosed) {
    return new ConnectionLost("the connection does not answer", { cause: error });
  }
  return (code !== undefined && refusals[code]) || error;
}

/** Reads a Boom's status, or the code that Baileys gives an error of WhatsApp as its data. */
function statusOf(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const output: unknown = Reflect.get(error, "output");
  const status: unknown = typeof output === "object" && output !== null ? Reflect.get(output, "statusCode") : undefined;
  const data: unknown = Reflect.get(error, "data");
  return [data, status].find((code): code is number => typeof code === "number");
}
