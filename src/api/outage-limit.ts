import type { Interceptor } from "@connectrpc/connect";
import { SessionError } from "../domain/errors.ts";
import type { Upkeep } from "../ports/upkeep.ts";

/**
 * Creates an interceptor that answers unary calls with STORE_UNAVAILABLE once the store has not answered for long. The step that a call
 * waits for goes on, and is done when the store answers again, or not at all.
 */
export const outageLimit =
  (onOutage: NonNullable<Upkeep["onOutage"]>): Interceptor =>
  (next) =>
  async (req) => {
    if (req.stream) return next(req);
    const { promise: cut, reject } = Promise.withResolvers<never>();
    const cancel = onOutage(() =>
      reject(new SessionError("STORE_UNAVAILABLE", "The store does not answer. What was asked for may still be done")),
    );
    try {
      return await Promise.race([next(req), cut]);
    } finally {
      cancel();
    }
  };
