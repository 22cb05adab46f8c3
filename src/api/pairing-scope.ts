import type { Message } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import { type Authentication, pairingLinkEnded } from "./authentication.ts";

/** Refuses calls with a pairing link that name another session than the link's. Whether that session exists makes no difference. */
export function pairingScope(authentication: Pick<Authentication, "linkOf">): Interceptor {
  return (next) => (req) => {
    const link = authentication.linkOf(req.header);
    if (link === undefined) return next(req);
    const check = <T extends Message>(message: T): T => {
      if (!("session" in message) || message.session === link.session) return message;
      throw pairingLinkEnded();
    };
    if (req.stream) return next({ ...req, message: checkEach(req.message, check) });
    check(req.message);
    return next(req);
  };
}

async function* checkEach<T>(messages: AsyncIterable<T>, check: (message: T) => T): AsyncIterable<T> {
  for await (const message of messages) yield check(message);
}
