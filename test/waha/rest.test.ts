/** The suite: REST as WAHA's clients use it, against any server. README.md tells how to point it at one. */
import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { configShownCases, configViolationCases } from "./cases/config.ts";
import { createCases } from "./cases/create.ts";
import { deprecatedCases } from "./cases/deprecated.ts";
import { listCases } from "./cases/list.ts";
import { codeCases, qrCases, screenshotCases } from "./cases/pairing.ts";
import { oneSessionCases, runCases } from "./cases/run.ts";
import { serverCases } from "./cases/server.ts";
import { updateCases } from "./cases/update.ts";
import { bodyCases, methodCases, pathCases, unknownRouteCases } from "./cases/wire.ts";
import { failureLike, notStarted } from "./expectations.ts";
import { registerKeyCases } from "./keys.ts";
import { registerModeCases } from "./modes.ts";
import { registerPhoneCases } from "./phone-cases.ts";
import { get } from "./rest-case.ts";
import { assertAnswer, registerCases } from "./run-case.ts";
import { notOwnServer, settings, Target } from "./target.ts";
import { registerWebhookCases } from "./webhook-cases.ts";

let opened: Target | undefined;

function target(): Target {
  assert.ok(opened, "the server could not be started");
  return opened;
}

before(async () => {
  opened = await Target.open();
});

after(async () => {
  await opened?.close();
});

const groups = [
  serverCases,
  createCases,
  configViolationCases,
  configShownCases,
  listCases,
  oneSessionCases,
  updateCases,
  runCases,
  qrCases,
  screenshotCases,
  codeCases,
  deprecatedCases,
  unknownRouteCases,
  pathCases,
  bodyCases,
  methodCases,
];

for (const group of groups) registerCases(group, target);
registerKeyCases(target);
registerWebhookCases(target);
registerPhoneCases(target);
registerModeCases();

it("the screenshot's session is default where none is named", { skip: notOwnServer ?? false }, async () => {
  const request = get("/api/screenshot");
  assertAnswer(await target().client.send(request), request, notStarted, { session: "default", kind: settings.kind });
});

it("a body that is announced as too large is refused before it is sent", {
  skip: settings.kind === "waha" ? "WAHA's limit is another" : false,
}, async () => {
  const request = { method: "POST", path: "/api/sessions" };
  const answer = await target().client.announce(request.path, 10 * 1024 * 1024 + 1);
  assertAnswer(answer, request, failureLike(413, /./), { session: "", kind: settings.kind });
});

it("the suite has left no session behind", async () => {
  const answer = await target().client.send(get("/api/sessions?all=true"));
  const sessions = answer.json();
  assert.ok(Array.isArray(sessions));
  const names = sessions.map((session) => String(Object(session).name));
  const left = names.filter((name) => name.startsWith("waha_suite_") || notOwnServer === undefined);
  assert.deepEqual(left, []);
});
