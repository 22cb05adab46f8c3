import { computed, signal } from "@preact/signals";

/** Place in the dashboard: a view and its parameters. It is the fragment of the URL, so that every place has a link. */
export interface Route {
  /** Name of the view, such as "sessions". */
  readonly view: string;
  readonly params: URLSearchParams;
}

/** Reads a fragment such as "#/sessions?status=FAILED". */
export function parseRoute(fragment: string): Route {
  const [, view = "", query = ""] = /^#\/?([\w-]*)(?:\?(.*))?$/s.exec(fragment) ?? [];
  return { view, params: new URLSearchParams(query) };
}

/** Returns the fragment of a place. Parameters with an empty value are left out. */
export function formatRoute(view: string, params: URLSearchParams): string {
  const kept = new URLSearchParams([...params].filter(([, value]) => value !== ""));
  return kept.size === 0 ? `#/${view}` : `#/${view}?${kept}`;
}

/** Returns the fragment of a place that differs from the current one in these parameters. "" removes a parameter. */
export function routeWith(route: Route, changes: Readonly<Record<string, string | readonly string[]>>): string {
  const params = new URLSearchParams(route.params);
  for (const [name, value] of Object.entries(changes)) {
    params.delete(name);
    for (const one of [value].flat()) params.append(name, one);
  }
  return formatRoute(route.view, params);
}

const fragment = signal("");

/** The place that the address bar names. */
export const route = computed(() => parseRoute(fragment.value));

/** Follows the address bar. */
export function followAddress(): void {
  const read = () => {
    fragment.value = location.hash;
  };
  read();
  addEventListener("hashchange", read);
  addEventListener("popstate", read);
}

/** Goes to a place. With `replace` the back button skips the current one, as for each letter of a search. */
export function go(target: string, { replace = false } = {}): void {
  if (target === location.hash) return;
  if (replace) history.replaceState(null, "", target);
  else history.pushState(null, "", target);
  fragment.value = target;
}
