import { readFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { urlOf } from "../config/address.ts";
import { type Config, readConfig, type Secrets } from "../config/config.ts";

const timeoutMs = 4_000;
/** The loopback address to ask where a server listens on all addresses. */
const loopback: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };

/** Returns whether the server of this configuration answers /health with 200. Speaks TLS if the server does. */
export function checkHealth({ host, port }: Config, { tls }: Secrets): Promise<boolean> {
  const url = `${urlOf(tls ? "https" : "http", loopback[host] ?? host, port)}/health`;
  const request = tls ? httpsRequest : httpRequest;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  // The certificate is not made out to the address asked, which is this machine's own.
  const asked = request(url, { rejectUnauthorized: false, timeout: timeoutMs }, (response) => {
    response.resume();
    resolve(response.statusCode === 200);
  });
  asked
    .on("timeout", () => asked.destroy(new Error("timeout")))
    .on("error", () => resolve(false))
    .end();
  return promise;
}

// The image runs this file: it loads less than main.ts.
if (import.meta.main) {
  const { config, secrets } = await readConfig((path) => readFile(path, "utf8"));
  process.exit((await checkHealth(config, secrets)) ? 0 : 1);
}
