import type { Answer, RestRequest } from "./http-client.ts";

/** What the suite is pointed at: the rules of wire.md hold for `sessiond`; `waha` is WAHA 2024.10 (Plus). */
export type TargetKind = "sessiond" | "waha";

/** What a matcher knows besides the answer. */
export interface MatchContext {
  /** The name of the case's session: what "{session}" stands for. */
  readonly session: string;
  readonly kind: TargetKind;
}

/** Throws an AssertionError where the answer's body is not as it must be. */
export type BodyMatcher = (answer: Answer, context: MatchContext) => void;

/** What an answer must be like. A header that is null must be absent. */
export interface Expectation {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | RegExp | null>>;
  readonly body?: BodyMatcher;
}

/** One request and its answer. Where WAHA answers otherwise, `waha` has its answer and the reason sessiond differs. */
export interface Step {
  readonly request: RestRequest;
  readonly expect: Expectation;
  readonly waha?: { readonly expect: Expectation; readonly because: string };
}

/** A session that a case finds: created with this body, and waited for where it is to be scanned. */
export interface Given {
  readonly body: object;
  readonly until?: "SCAN_QR_CODE";
}

/** A row of a table. "{session}" in paths and bodies is a name that no other case has. */
export interface RestCase extends Step {
  readonly name: string;
  readonly given?: readonly Given[];
  /** What follows the first step. */
  readonly after?: readonly Step[];
  /** Set where WAHA has nothing of the kind: why. */
  readonly onlySessiond?: string;
}

/** A table, under the heading its cases are reported with. */
export interface CaseGroup {
  readonly title: string;
  readonly cases: readonly RestCase[];
}

export const get = (path: string, headers: Record<string, string> = {}): RestRequest => ({
  method: "GET",
  path,
  headers,
});

export const post = (path: string, body?: unknown, headers: Record<string, string> = {}): RestRequest => ({
  method: "POST",
  path,
  headers,
  body,
});

export const put = (path: string, body?: unknown): RestRequest => ({ method: "PUT", path, body });

export const del = (path: string): RestRequest => ({ method: "DELETE", path });

/** The path of the case's session. */
export const sessionPath = "/api/sessions/{session}";

/** A session that is not running. */
export const stopped = (config?: object, suffix = ""): Given => ({
  body: { name: `{session}${suffix}`, start: false, ...(config && { config }) },
});

/** A session that waits to be scanned. */
export const scanning = (config?: object, suffix = ""): Given => ({
  body: { name: `{session}${suffix}`, start: true, ...(config && { config }) },
  until: "SCAN_QR_CODE",
});

/** A session that stays STARTING, since its proxy refuses connections: nothing listens on port 1. */
export const starting: Given = {
  body: { name: "{session}", start: true, config: { proxy: { server: "127.0.0.1:1" } } },
};

/** Puts the session's name in the place of "{session}", anywhere in a text or in JSON. */
export function fill<T>(template: T, session: string): T {
  if (typeof template === "string") return template.replaceAll("{session}", session) as T;
  if (typeof template !== "object" || template === null || template instanceof Uint8Array) return template;
  return JSON.parse(JSON.stringify(template).replaceAll("{session}", session));
}
