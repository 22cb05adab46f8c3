import { createHmac } from "node:crypto";
import type { Signer } from "../../ports/webhook.ts";

/** Signs with Node's OpenSSL. */
export const nodeSigner: Signer = {
  hmac: (algorithm, key, data) => createHmac(algorithm, key).update(data).digest(),
};
