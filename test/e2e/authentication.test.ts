import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import { startWhatsApp } from "../emulator/whatsapp.ts";
import { allServices, type CallResult, type CallWay, everyWay, requestAbout } from "./every-call.ts";
import { type Json, RestClient } from "./rest-client.ts";
import { ServerProcess } from "./server-process.ts";

const key = "right-key-6f1d";
const wrongKey = "wrong-key-6f1d";
const hash = createHash("sha512").update(key).digest("hex");
const refused: ReadonlySet<string> = new Set(["Unauthenticated", "401"]);
/** Calls that need no key. */
const openCalls: ReadonlySet<string> = new Set(["Ping", "CheckHealth", "Check", "List", "Watch"]);

const withoutTheKey: Readonly<Record<string, Record<string, string>>> = {
  "no key": {},
  "a wrong key": { "x-api-key": wrongKey },
  "a wrong Bearer token": { authorization: `Bearer ${wrongKey}` },
  "the hash as the key": { "x-api-key": `sha512:${hash}` },
};

/** Opens a server with a key and one WORKING session, `kept`. */
async function openHarness() {
  // If a part cannot be opened, the parts opened before are closed.
  await using stack = new AsyncDisposableStack();
  const whatsapp = await startWhatsApp();
  stack.defer(() => whatsapp.close());
  const server = stack.use(
    await ServerProcess.start({
      WAHA_API_KEY: `sha512:${hash}`,
      SESSIOND_HOST: "127.0.0.1",
      SESSIOND_NOWEB_URL: whatsapp.url,
      WAHA_LOG_LEVEL: "debug",
    }),
  );
  const rest = new RestClient(() => server.baseUrl, { "x-api-key": key });
  const phone = whatsapp.phone();
  await rest.post("/api/sessions", { name: "kept", config: { metadata: { tenant: "a" } } });
  await phone.scan(await rest.qrCode("kept"));
  await rest.untilStatus("kept", "WORKING");
  const ways = everyWay(await allServices(), server.baseUrl);
  /** Returns all sessions as they are now, by name. */
  const observe = async () => {
    const { body: sessions } = await rest.get("/api/sessions?all=true");
    return new Map(Object.values(sessions).map((session: Json) => [String(session.name), session]));
  };
  const opened = stack.move();
  return { whatsapp, phone, server, ways, observe, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

type Sessions = ReadonlyMap<string, Json>;
type Step = readonly [
  rpc: string,
  request: (session: string) => JsonObject,
  effect: (after: Json | undefined, result: CallResult, before: Json | undefined) => boolean,
];

const session = (name: string) => ({ session: name });
const named = (name: string) => ({ name });
const answers: Step[2] = (_, { code, answer }) => code === "ok" && answer !== "";
const running: Step[2] = (after, { code }) => code === "ok" && String(after?.desiredState) === "DESIRED_STATE_RUNNING";
const stopped: Step[2] = (after, { code }) => code === "ok" && String(after?.desiredState) === "DESIRED_STATE_STOPPED";
const gone: Step[2] = (after, { code }, before) => code === "ok" && before !== undefined && after === undefined;
const askedAgain: Step[2] = (after, { code }, before) =>
  code === "ok" && Number(after?.revision) > Number(before?.revision);

/** Effects of each call with the key, in an order in which each finds its preconditions. */
const steps: readonly Step[] = [
  ["CreateSession", named, running],
  ["ListSessions", () => ({}), answers],
  ["GetSession", session, answers],
  ["StatusStream", session, answers],
  ["GetQr", session, answers],
  ["GetQrBody", session, answers],
  ["QrStream", session, answers],
  ["GetScreenshot", session, answers],
  ["GetMe", session, answers],
  ["RequestCode", (name) => ({ session: name, phoneNumber: "15551234567" }), answers],
  // Unsupported on every engine, but reported only to callers with the key.
  ["AuthorizeCode", (name) => ({ session: name, code: "1" }), (_, { code }) => ["Unimplemented", "422"].includes(code)],
  [
    "UpdateSession",
    (name) => ({ session: name, config: { metadata: { changed: "yes" } } }),
    (after, { code }) => code === "ok" && String(after?.config?.metadata?.changed) === "yes",
  ],
  ["StopSession", session, stopped],
  ["StartSession", session, running],
  ["RestartSession", session, askedAgain],
  ["LogoutSession", session, askedAgain],
  ["StopSessionDeprecated", named, stopped],
  ["LogoutSessionDeprecated", named, gone],
  ["StartSessionDeprecated", named, running],
  ["DeleteSession", session, gone],
  ["GetVersion", () => ({}), answers],
  ["GetServerStatus", () => ({}), answers],
];

/** Calls for which the test only knows that they are admitted. */
const isWithoutStep = ({ rpc }: CallWay) => !openCalls.has(rpc.name) && !steps.some(([name]) => name === rpc.name);
/** Time in which a stream must yield its first item, if nothing else is known about it. */
const patienceMs = 1_000;

describe("every call in every protocol", () => {
  it("is refused without the key, works with it, and never shows a key", async (t) => {
    await using harness = await openHarness();
    const { whatsapp, phone, server, ways, observe } = harness;
    const shown: string[] = [];
    const told = (result: CallResult) => {
      shown.push(result.answer);
      return result;
    };

    const before = await observe();
    for (const [what, headers] of Object.entries(withoutTheKey)) {
      for (const [protocol, calls] of ways) {
        await t.test(`${what}, ${protocol}`, async () => {
          for (const { rpc, label, call } of calls) {
            // An existing session and a missing one are answered alike.
            for (const name of ["kept", "nobody"]) {
              const { code, answer } = told(await call({ request: requestAbout(rpc, name), headers }));
              if (openCalls.has(rpc.name)) assert.equal(code, "ok", label);
              else assert.ok(refused.has(code), `${label}, ${what}: ${code} ${answer}`);
              if (code === "401") assert.equal(answer, '{"message":"Unauthorized","statusCode":401}');
            }
          }
          assert.deepEqual(await observe(), before);
        });
      }
    }
    assert.equal(phone.devices.length, 1, "the device is still linked");
    assert.deepEqual([whatsapp.counters.pairings, whatsapp.counters.connections], [1, 1]);

    for (const [protocol, calls] of ways) {
      await t.test(`the right key, ${protocol}`, async () => {
        const name = protocol.replaceAll(/[^\w.-]/g, "_");
        const headers: Record<string, string> =
          protocol === "gRPC" ? { authorization: `Bearer ${key}` } : { "x-api-key": key };
        for (const step of steps) await take(step, calls, name, headers, observe, told);
        for (const { rpc, label, call } of calls.filter(isWithoutStep)) {
          const signal = AbortSignal.timeout(patienceMs);
          const { code } = told(await call({ request: requestAbout(rpc, name), headers, signal }));
          assert.equal(refused.has(code), false, label);
        }
      });
    }

    const lines = server.log.join("\n");
    assert.match(lines, /"reason":"API_KEY_REQUIRED","msg":"call refused"/);
    for (const secret of [key, wrongKey, hash]) {
      assert.equal(lines.includes(secret), false, "no log line shows a key");
      assert.equal(shown.join("\n").includes(secret), false, "no answer shows a key");
    }
    assert.deepEqual(whatsapp.faults, []);
  });
});

async function take(
  [rpc, requestOf, effect]: Step,
  calls: readonly CallWay[],
  name: string,
  headers: Record<string, string>,
  observe: () => Promise<Sessions>,
  told: (result: CallResult) => CallResult,
): Promise<void> {
  for (const { label, call } of calls.filter((way) => way.rpc.name === rpc)) {
    const before = (await observe()).get(name);
    const result = told(await call({ request: requestOf(name), headers }));
    const after = (await observe()).get(name);
    assert.ok(effect(after, result, before), `${label}: ${JSON.stringify({ ...result, after })}`);
  }
}
