import { createHmac } from "node:crypto";
import type { Signer } from "../../ports/webhook.ts";

/** Signer that uses Node's OpenSSL. */
export const nodeSigner: Signer = {
  hmac(algorithm, key, data, encoding) {
    const hmac = createHmac(algorithm, key);
    for (const part of data) hmac.update(part);
    return hmac.digest(encoding);
  },
};
