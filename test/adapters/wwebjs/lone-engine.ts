/** A process with one engine in it: prints the code to scan, then the credentials' marker once it is logged in, and goes on. */
import { systemClock } from "../../../src/adapters/node/system.ts";
import { createWwebjsFactory } from "../../../src/adapters/wwebjs/factory.ts";
import { EngineSession } from "../../contract/engine-session.ts";

const [profilesDirectory = "", ...extraArgs] = process.argv.slice(2);
const session = new EngineSession(createWwebjsFactory({ clock: systemClock, profilesDirectory, extraArgs }));
const engine = session.open();
console.log((await engine.until("qr")).value);
await engine.until("opened");
console.log(Buffer.from(session.credentials.values.get("profile") ?? []).toString("base64"));
await engine.rest();
