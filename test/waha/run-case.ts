import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Answer, RestRequest } from "./http-client.ts";
import { type CaseGroup, type Expectation, fill, type MatchContext, type RestCase, type Step } from "./rest-case.ts";
import { settings, type Target } from "./target.ts";

/** Registers each case of a table as a test. Several run at a time, because some only wait. */
export function registerCases({ title, cases }: CaseGroup, target: () => Target): void {
  describe(title, { concurrency: 4 }, () => {
    for (const row of cases) {
      const skip = settings.kind === "waha" && row.onlySessiond ? row.onlySessiond : false;
      it(row.name, { skip }, () => runCase(row, target()));
    }
  });
}

/** Sets up a case, runs its steps, and removes its sessions, however it ends. */
async function runCase(row: RestCase, target: Target): Promise<void> {
  const context: MatchContext = { session: target.newName(), kind: settings.kind };
  const made = new Set<string>([context.session]);
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => target.remove(made));
  for (const { body, until } of row.given ?? []) {
    const request = fill({ method: "POST", path: "/api/sessions", body }, context.session);
    const { status, text } = await target.client.send(request);
    const { name } = fill(Object(body), context.session);
    made.add(String(name));
    assert.equal(status, 201, `setting the case up was answered with ${status}: ${text}`);
    if (until) await target.untilStatus(String(name), until);
  }
  for (const step of [row, ...(row.after ?? [])]) await runStep(step, target, context, made);
}

async function runStep(step: Step, target: Target, context: MatchContext, made: Set<string>): Promise<void> {
  const request = fillRequest(step.request, context.session);
  const answer = await target.client.send(request);
  if (answer.status === 201) noteCreated(answer, made);
  const expected = settings.kind === "waha" && step.waha ? step.waha.expect : step.expect;
  assertAnswer(answer, request, expected, context);
}

function fillRequest(request: RestRequest, session: string): RestRequest {
  const { rawBody, ...rest } = request;
  return { ...fill(rest, session), ...(rawBody !== undefined && { rawBody: fill(rawBody, session) }) };
}

/** Records names that the server makes up, so that those sessions are removed as well. */
function noteCreated(answer: Answer, made: Set<string>): void {
  if (!answer.text.startsWith("{") || answer.bytes[0] !== 0x7b) return;
  const { name } = Object(JSON.parse(answer.text));
  if (typeof name === "string") made.add(name);
}

/** Throws an Error with the request and the answer if they do not match. */
export function assertAnswer(answer: Answer, request: RestRequest, expected: Expectation, context: MatchContext): void {
  try {
    assert.equal(answer.status, expected.status, "status");
    for (const [name, value] of Object.entries(expected.headers ?? {})) {
      const actual = answer.headers[name];
      if (value instanceof RegExp) assert.match(String(actual), value, `header ${name}`);
      else assert.equal(actual ?? null, value, `header ${name}`);
    }
    expected.body?.(answer, context);
  } catch (error) {
    const shown = /^(text|application\/json)/.test(answer.headers["content-type"] ?? "")
      ? answer.text.slice(0, 600)
      : "";
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${request.method} ${request.path} → ${answer.status} ${shown}\n${reason}`, { cause: error });
  }
}
