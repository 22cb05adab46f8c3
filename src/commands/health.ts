import { readFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { urlOf } from "../config/address.ts";
import { readConfig } from "../config/config.ts";

// The image's health check: ends with 0 if the server that this environment describes answers /health with 200, else with 1.
const { config, secrets } = await readConfig((path) => readFile(path, "utf8"));
const hosts: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };
const url = `${urlOf(secrets.tls ? "https" : "http", hosts[config.host] ?? config.host, config.port)}/health`;
const request = secrets.tls ? httpsRequest : httpRequest;
// It asks its own machine, by an address that no certificate is for.
request(url, { rejectUnauthorized: false, timeout: 4_000 }, (response) => {
  process.exit(response.statusCode === 200 ? 0 : 1);
})
  .on("timeout", () => process.exit(1))
  .on("error", () => process.exit(1))
  .end();
