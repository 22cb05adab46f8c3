import type { Answer, RestRequest } from "./http-client.ts";

/** Kind of server under test: `sessiond` follows wire.md, `waha` is WAHA 2024.10 (Plus). */
export type TargetKind = "sessiond" | "waha";

/** Facts for matchers besides the answer. */
export interface MatchContext {
  /** Name of the case's session, which replaces "{session}". */
  readonly session: string;
  readonly kind: TargetKind;
}

/** Throws an AssertionError if the answer's body is not as expected. */
export type BodyMatcher = (answer: Answer, context: MatchContext) => void;

/** Requirements on an answer. A header that is null must be absent. */
export interface Expectation {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | RegExp | null>>;
  readonly body?: BodyMatcher;
}

/** One request and its answer. If WAHA answers differently, `waha` has its answer and the reason for the difference. */
export interface Step {
  readonly request: RestRequest;
  readonly expect: Expectation;
  readonly waha?: { readonly expect: Expectation; readonly because: string };
}

/** A session that exists before the case, created with this body. Waits for its QR code if needed. */
export interface Given {
  readonly body: object;
  readonly until?: "SCAN_QR_CODE";
}

/** A row of a table. "{session}" in paths and bodies becomes a name that no other case has. */
export interface RestCase extends Step {
  readonly name: string;
  readonly given?: readonly Given[];
  /** Steps after the first one. */
  readonly after?: readonly Step[];
  /** Reason why WAHA has no equivalent, if it has none. */
  readonly onlySessiond?: string;
}

/** A table with the heading of its cases. */
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

/** Path of the case's session. */
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

/** A session that stays STARTING because its proxy refuses connections: nothing listens on port 1. */
export const starting: Given = {
  body: { name: "{session}", start: true, config: { proxy: { server: "127.0.0.1:1" } } },
};

/** Replaces "{session}" with the session's name, anywhere in a text or in JSON. */
export function fill<T>(template: T, session: string): T {
  if (typeof template === "string") return template.replaceAll("{session}", session) as T;
  if (typeof template !== "object" || template === null || template instanceof Uint8Array) return template;
  return JSON.parse(JSON.stringify(template).replaceAll("{session}", session));
}
