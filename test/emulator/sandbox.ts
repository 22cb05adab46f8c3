/**
 * `npm run sandbox [-- --engine WEBJS] [--postgres]`: the server, as `npm start` runs it, against an emulated WhatsApp on this
 * machine, with its store in a real PostgreSQL if asked for.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startPostgres } from "../support/postgres-server.ts";
import { startControl } from "./control.ts";
import { startWhatsApp } from "./whatsapp.ts";
import { startWhatsAppWeb } from "./wwebjs/whatsapp-web.ts";

const main = new URL("../../src/main.ts", import.meta.url).pathname;
const apiPort = process.env.PORT ?? process.env.WHATSAPP_API_PORT ?? "3000";

const { engine, postgres: hasPostgres } = parseArgs({
  options: { engine: { type: "string", default: "NOWEB" }, postgres: { type: "boolean", default: false } },
}).values;
if (engine !== "NOWEB" && engine !== "WEBJS") throw new Error("--engine must be NOWEB or WEBJS");

async function openNoweb() {
  // Codes that a person scans by hand are valid as long as WhatsApp's.
  const whatsapp = await startWhatsApp({ refLifetime: { firstMs: 60_000, nextMs: 20_000 } });
  return { whatsapp, serverEnv: { SESSIOND_NOWEB_URL: whatsapp.url }, place: whatsapp.url };
}

async function openWebjs() {
  const whatsapp = await startWhatsAppWeb();
  const serverEnv = { WHATSAPP_DEFAULT_ENGINE: "WEBJS", WAHA_WEBJS_PUPPETER_ARGS: whatsapp.chromeArgs.join(" ") };
  return { whatsapp, serverEnv, place: "https://web.whatsapp.com, for this server's browsers only" };
}

const { whatsapp, serverEnv, place } = engine === "NOWEB" ? await openNoweb() : await openWebjs();
const postgres = hasPostgres ? await startPostgres() : undefined;
const store = await postgres?.createDatabase();
const keyName = ["WAHA_API_KEY", "WHATSAPP_API_KEY"].find((name) => process.env[name]);
const curl = keyName ? `curl -H "X-Api-Key: $${keyName}"` : "curl";
const control = await startControl(whatsapp, { port: Number(process.env.SANDBOX_PORT ?? 3001) });

console.log(`
An emulated WhatsApp is at ${place}; control its phones at ${control.url}

  1. create a session:  ${curl} -X POST localhost:${apiPort}/api/sessions -H 'Content-Type: application/json' -d '{"name":"default"}'
  2. scan its QR:       ${curl} 'localhost:${apiPort}/api/default/auth/qr?format=raw' | curl -X POST ${control.url}/scan -d @-
  3. see it WORKING:    ${curl} localhost:${apiPort}/api/sessions/default

More calls (pairing code, message, unlinking): curl ${control.url}
`);
if (store !== undefined)
  console.log(`The store is in PostgreSQL, until this ends: psql '${store}' -c '\\dt sessiond.*'\n`);

// The emulator forgets its devices when it ends, so their logins are useless afterwards.
const directory = await mkdtemp(join(tmpdir(), "sessiond-sandbox-"));
const server = spawn(process.execPath, [main], {
  env: {
    // Files and receivers of a try-out are on this machine.
    SESSIOND_WEBHOOK_ALLOW: "127.0.0.0/8,::1",
    ...process.env,
    WAHA_LOCAL_STORE_BASE_DIR: directory,
    ...serverEnv,
    ...(store && { SESSIOND_STORE: store }),
  },
  stdio: "inherit",
});
// The terminal sends Ctrl-C to the server too; this process only has to outlive it.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => server.kill("SIGTERM"));
const [code] = await once(server, "exit");
await postgres?.close();
await rm(directory, { recursive: true, force: true });
await control.close();
await whatsapp.close();
process.exitCode = code ?? 1;
