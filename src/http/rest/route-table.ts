import type { PathSegment, PathTemplate } from "./path-template.ts";

/** Route that matches a request. */
export interface RouteMatch<T> {
  readonly target: T;
  readonly template: PathTemplate;
  /** Segments of the path without the template's verb. */
  readonly path: readonly PathSegment[];
}

/** Routes by method and path template. Literal segments take precedence over "*", and "*" over "**". */
export interface RouteTable<T> {
  /** Adds a route; method "*" matches methods without a route of their own. Throws an Error with both labels for a duplicate. */
  add(method: string, template: PathTemplate, target: T, label: string): void;
  /** Finds the route of a request, ignoring case. HEAD falls back to GET. */
  match(method: string, path: readonly PathSegment[]): RouteMatch<T> | undefined;
}

interface Leaf<T> {
  readonly target: T;
  readonly template: PathTemplate;
  readonly label: string;
}

/** Routes that share the same first segments. Leaves are keyed by verb. */
interface Node<T> {
  readonly literals: Map<string, Node<T>>;
  any?: Node<T>;
  readonly here: Map<string, Leaf<T>>;
  readonly rest: Map<string, Leaf<T>>;
}

/** Creates an empty table. */
export function createRouteTable<T>(): RouteTable<T> {
  const roots = new Map<string, Node<T>>();

  function find(root: Node<T> | undefined, path: readonly PathSegment[]): RouteMatch<T> | undefined {
    if (root === undefined) return undefined;
    const last = path.at(-1);
    const colon = last?.raw.lastIndexOf(":") ?? -1;
    if (last !== undefined && colon !== -1) {
      const verb = last.raw.slice(colon + 1).toLowerCase();
      const raw = last.raw.slice(0, colon);
      const shorter = [...path.slice(0, -1), { raw, text: decodeURIComponent(raw) }];
      const leaf = verb === "" ? undefined : descend(root, shorter, 0, verb);
      if (leaf !== undefined) return { target: leaf.target, template: leaf.template, path: shorter };
    }
    const leaf = descend(root, path, 0, "");
    return leaf === undefined ? undefined : { target: leaf.target, template: leaf.template, path };
  }

  return {
    add(method, template, target, label) {
      const root = roots.get(method) ?? newNode<T>();
      roots.set(method, root);
      const leaves = leavesFor(root, template);
      const taken = leaves.get(template.verb);
      if (taken !== undefined) throw new Error(`${taken.label} and ${label} have the same route`);
      leaves.set(template.verb, { target, template, label });
    },

    match(method, path) {
      return (
        find(roots.get(method), path) ??
        (method === "HEAD" ? find(roots.get("GET"), path) : undefined) ??
        find(roots.get("*"), path)
      );
    },
  };
}

function newNode<T>(): Node<T> {
  return { literals: new Map(), here: new Map(), rest: new Map() };
}

function leavesFor<T>(root: Node<T>, template: PathTemplate): Map<string, Leaf<T>> {
  let node = root;
  for (const segment of template.segments) {
    if (segment.kind === "rest") return node.rest;
    if (segment.kind === "any") {
      node.any ??= newNode<T>();
      node = node.any;
      continue;
    }
    const next = node.literals.get(segment.text) ?? newNode<T>();
    node.literals.set(segment.text, next);
    node = next;
  }
  return node.here;
}

// Visits each node at most once, since a node has one depth.
function descend<T>(node: Node<T>, path: readonly PathSegment[], depth: number, verb: string): Leaf<T> | undefined {
  const segment = path[depth];
  if (segment === undefined) return node.here.get(verb) ?? node.rest.get(verb);
  const literal = node.literals.get(segment.text.toLowerCase());
  return (
    (literal && descend(literal, path, depth + 1, verb)) ??
    (node.any && segment.text !== "" ? descend(node.any, path, depth + 1, verb) : undefined) ??
    node.rest.get(verb)
  );
}
