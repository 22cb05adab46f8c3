import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { readHttpBindings } from "./http-rules.ts";
import { type PathTemplate, parsePathTemplate } from "./path-template.ts";

/** RPCs at some REST paths, and the paths without any. */
export interface RpcsAt {
  readonly rpcs: DescMethod[];
  readonly unknown: string[];
}

/**
 * Finds the RPCs at REST paths in WAHA's notation: "health", "/api/server/version", with `*` for one segment and `**` or `(.*)` for
 * all remaining ones. Only a wildcard matches a route's variable.
 */
export function rpcsAt(services: readonly DescService[], paths: readonly string[]): RpcsAt {
  const bindings = readHttpBindings(services);
  const found = paths.map((path) => {
    const pattern = parsePattern(path);
    return { path, hits: bindings.filter(({ template }) => pattern !== undefined && covers(pattern, template)) };
  });
  return {
    rpcs: found.flatMap(({ hits }) => hits.map(({ rpc }) => rpc)),
    unknown: found.filter(({ hits }) => hits.length === 0).map(({ path }) => path),
  };
}

function parsePattern(path: string): PathTemplate | undefined {
  const trimmed = path.replace(/^\/+|\/+$/g, "");
  try {
    return parsePathTemplate(`/${trimmed.replaceAll("(.*)", "**")}`);
  } catch {
    return undefined;
  }
}

/** Returns whether `pattern` matches every path of `template`. */
function covers(pattern: PathTemplate, template: PathTemplate): boolean {
  const [last] = pattern.segments.slice(-1);
  const given = last?.kind === "rest" ? pattern.segments.slice(0, -1) : pattern.segments;
  if (last?.kind === "rest" ? template.segments.length < given.length : template.segments.length !== given.length) {
    return false;
  }
  return (
    pattern.verb === template.verb &&
    given.every((segment, index) => {
      const other = template.segments[index];
      if (segment.kind === "any") return other?.kind !== "rest";
      return segment.kind === "literal" && other?.kind === "literal" && segment.text === other.text;
    })
  );
}
