import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { restServices } from "../../src/server/api.ts";
import { type CallWay, everyWay, requestAbout } from "../e2e/every-call.ts";
import { DashboardBrowser } from "../support/dashboard-browser.ts";
import { startServer } from "../support/server.ts";

const key = "k3y";
const loopback = { SESSIOND_HOST: "127.0.0.1", WAHA_API_KEY: key };

/** Calls that change nothing, and show no code that pairs a phone. */
const reading = [
  "CheckHealth",
  "CreateStreamTicket",
  "DownloadMedia",
  "GetDelivery",
  "GetMe",
  "GetOutgoing",
  "GetOverview",
  "GetPairingLink",
  "GetServerStatus",
  "GetSession",
  "GetVersion",
  "ListDeliveries",
  "ListEndpoints",
  "ListNodes",
  "ListOutbox",
  "ListPairingLinks",
  "ListSessions",
  "ListStatusHistory",
  "NewMessageId",
  "Ping",
  "StatusStream",
  "StreamEvents",
];

/** Calls that change something, or show such a code. A screenshot may show one. */
const changing = [
  "AckEvents",
  "AuthorizeCode",
  "Backup",
  "CancelOutgoing",
  "CheckNumber",
  "CreatePairingLink",
  "CreateSession",
  "DeleteSession",
  "EnableEndpoint",
  "GetCapping",
  "GetQr",
  "GetQrBody",
  "GetScreenshot",
  "GetTimelock",
  "LogoutSession",
  "LogoutSessionDeprecated",
  "QrStream",
  "ReplyDeprecated",
  "RequestCode",
  "ResendDelivery",
  "ResendFailed",
  "RestartSession",
  "RestoreCredentials",
  "RevokePairingLink",
  "SendFile",
  "SendImage",
  "SendSeen",
  "SendTestEvent",
  "SendText",
  "SendVideo",
  "SendVoice",
  "SetReaction",
  "StartSession",
  "StartSessionDeprecated",
  "StartTyping",
  "StopSession",
  "StopSessionDeprecated",
  "StopTyping",
  "UpdateSession",
  "UploadMedia",
];

const denied: ReadonlySet<string> = new Set(["PermissionDenied", "403"]);
const refused: ReadonlySet<string> = new Set(["Unauthenticated", "401"]);

async function open(t: TestContext, mode: "on" | "readonly") {
  const { url } = await startServer(t, { ...loopback, SESSIOND_DASHBOARD: mode });
  const browser = await new DashboardBrowser(url).logIn({ key });
  return { browser, ways: everyWay(restServices, url) };
}

/** Makes every call. A stream that has no first item is left. */
const callAll = (ways: readonly CallWay[] = [], headers: Record<string, string>) =>
  Promise.all(
    ways.map(async ({ rpc, label, call }) => {
      const signal = AbortSignal.timeout(5_000);
      return { rpc, label, ...(await call({ request: requestAbout(rpc, "alice"), headers, signal })) };
    }),
  );

describe("a dashboard that only reads", () => {
  it("knows of every call whether it changes something", () => {
    const all = restServices.flatMap(({ methods }) => methods.map(({ name }) => name));
    assert.deepEqual(all.sort(), [...reading, ...changing].sort());
  });

  it("says so before the login", async (t) => {
    const { browser } = await open(t, "readonly");
    assert.deepEqual(await browser.options(), { required: true, loggedIn: true, password: false, readonly: true });
  });

  it("is denied every call that changes something, in every protocol, and no other", async (t) => {
    const { browser, ways } = await open(t, "readonly");
    for (const { rpc, label, code, answer } of await callAll([...ways.values()].flat(), browser.headers)) {
      assert.equal(denied.has(code), changing.includes(rpc.name), `${label}: ${code}`);
      assert.equal(refused.has(code), false, `${label}: ${code}`);
      if (denied.has(code)) assert.match(answer, /SESSIOND_DASHBOARD=readonly/);
    }
  });

  it("leaves callers with the key all calls", async (t) => {
    const { ways } = await open(t, "readonly");
    for (const { label, code } of await callAll(ways.get("REST"), { "x-api-key": key })) {
      assert.equal(denied.has(code) || refused.has(code), false, `${label}: ${code}`);
    }
  });
});

it("a dashboard that is on is denied nothing", async (t) => {
  const { browser, ways } = await open(t, "on");
  for (const { label, code } of await callAll(ways.get("REST"), browser.headers)) {
    assert.equal(denied.has(code) || refused.has(code), false, `${label}: ${code}`);
  }
});
