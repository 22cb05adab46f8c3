/** Segment of a path template: fixed text in lower case, "*" or "**". */
export type TemplateSegment = { kind: "literal"; text: string } | { kind: "any" } | { kind: "rest" };

/** Variable of a path template. It captures the segments from `start` to before `end`, or to the path's end if undefined. */
export interface TemplateVariable {
  readonly fieldPath: string;
  readonly start: number;
  readonly end: number | undefined;
  readonly isMulti: boolean;
}

/** A parsed path template of google.api.http ("Path template syntax" in google/api/http.proto). */
export interface PathTemplate {
  readonly segments: readonly TemplateSegment[];
  readonly variables: readonly TemplateVariable[];
  /** Text after ":" at the end, in lower case; "" for none. */
  readonly verb: string;
}

/** Segment of a request's path, as sent and percent-decoded. */
export interface PathSegment {
  readonly raw: string;
  readonly text: string;
}

const literalPattern = /[^/{}=*:?#\s]+/y;
const fieldPathPattern = /[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*/y;

/** Parses a path template. Throws an Error that names the first unexpected character. */
export function parsePathTemplate(template: string): PathTemplate {
  const segments: TemplateSegment[] = [];
  const variables: TemplateVariable[] = [];
  let position = 0;

  const fail = (expected: string): never => {
    throw new Error(`expected ${expected} at character ${position + 1} of "${template}"`);
  };
  const take = (text: string): boolean => {
    if (!template.startsWith(text, position)) return false;
    position += text.length;
    return true;
  };
  const takeMatch = (pattern: RegExp, expected: string): string => {
    pattern.lastIndex = position;
    const found = pattern.exec(template)?.[0] ?? fail(expected);
    position += found.length;
    return found;
  };

  function plainSegment(): void {
    if (segments.at(-1)?.kind === "rest") fail('nothing after "**"');
    if (take("**")) segments.push({ kind: "rest" });
    else if (take("*")) segments.push({ kind: "any" });
    else segments.push({ kind: "literal", text: takeMatch(literalPattern, "a path segment").toLowerCase() });
  }

  function variable(): void {
    const fieldPath = takeMatch(fieldPathPattern, "a field's name");
    const start = segments.length;
    if (take("=")) {
      do plainSegment();
      while (take("/"));
    } else {
      if (segments.at(-1)?.kind === "rest") fail('nothing after "**"');
      segments.push({ kind: "any" });
    }
    if (!take("}")) fail('"}"');
    const isRest = segments.at(-1)?.kind === "rest";
    const isMulti = isRest || segments.length - start > 1;
    variables.push({ fieldPath, start, end: isRest ? undefined : segments.length, isMulti });
  }

  if (!take("/")) fail('"/"');
  if (position < template.length) {
    do {
      if (take("{")) variable();
      else plainSegment();
    } while (take("/"));
  }
  const verb = take(":") ? takeMatch(literalPattern, "a verb").toLowerCase() : "";
  if (position < template.length) fail('"/", ":" or the end');
  return { segments, variables, verb };
}

/** Splits a request's path into its segments and ignores a final slash. Returns undefined for malformed percent-encoding. */
export function splitPath(path: string): PathSegment[] | undefined {
  const trimmed = path.endsWith("/") ? path.slice(1, -1) : path.slice(1);
  if (trimmed === "") return [];
  try {
    return trimmed.split("/").map((raw) => ({ raw, text: raw.includes("%") ? decodeURIComponent(raw) : raw }));
  } catch {
    return undefined;
  }
}

/** Returns the value of a variable in a path that matches its template. */
export function captureVariable(variable: TemplateVariable, path: readonly PathSegment[]): string {
  const captured = path.slice(variable.start, variable.end);
  if (!variable.isMulti) return captured[0]?.text ?? "";
  // A value of several segments keeps encoded slashes encoded (google/api/http.proto).
  return captured
    .map(({ raw }) =>
      raw
        .split(/(%2f)/i)
        .map((part, index) => (index % 2 === 1 ? part : decodeURIComponent(part)))
        .join(""),
    )
    .join("/");
}
