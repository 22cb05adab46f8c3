import type { ReadonlySignal } from "@preact/signals";
import { html } from "htm/preact";
import { useEffect, useRef } from "preact/hooks";
import {
  Engine_Kind as Engine,
  Session_Status as Status,
  Session_StatusReason as StatusReason,
} from "../../../gen/sessiond/v1/session_pb.js";
import { go, route, routeWith } from "../route.ts";
import { isTyping } from "../ui/keyboard.ts";
import { engineWords, reasonWords, statuses, statusWords } from "../words.ts";
import { readFilter } from "./session-filter.ts";
import type { Selection } from "./session-store.ts";

interface InputEvent {
  readonly currentTarget: HTMLInputElement | HTMLSelectElement;
}

/** Search and filters of the table. The address holds them, so that a link shows the same sessions. */
export const FilterBar = ({ selection }: { selection: ReadonlySignal<Selection> }) => {
  const { params } = route.value;
  const filter = readFilter(params);
  const search = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "/" || isTyping(event)) return;
      event.preventDefault();
      search.current?.focus();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const change = (changes: Record<string, string | string[]>) => go(routeWith(route.value, changes), { replace: true });
  const toggle = (status: Status) => {
    const chosen = new Set(filter.statuses);
    if (!chosen.delete(status)) chosen.add(status);
    change({ status: [...chosen].map((one) => Status[one]) });
  };
  return html`
    <form class="filters" role="search" onSubmit=${(event: Event) => event.preventDefault()}>
      <input
        ref=${search}
        type="search"
        name="q"
        aria-label="Search sessions"
        aria-keyshortcuts="/"
        placeholder="Name, phone, push name, metadata, key=value"
        autocomplete="off"
        spellcheck="false"
        value=${filter.query}
        onInput=${({ currentTarget }: InputEvent) => change({ q: currentTarget.value })}
      />
      <div class="statuses" role="group" aria-label="Status">
        ${statuses.map(
          (status) => html`
            <button
              type="button"
              class="chip"
              data-status=${Status[status]}
              aria-pressed=${String(filter.statuses.has(status))}
              onClick=${() => toggle(status)}
            >
              ${statusWords[status].label} <span class="count">${selection.value.countByStatus.get(status) ?? 0}</span>
            </button>
          `,
        )}
      </div>
      ${choice("reason", "Any reason", StatusReason, reasonWords, params, change)}
      ${choice("engine", "Any engine", Engine, engineWords, params, change)}
    </form>
  `;
};

function choice<T extends number>(
  name: string,
  anyLabel: string,
  names: Readonly<Record<string, T | string>>,
  words: Readonly<Record<T, string>>,
  params: URLSearchParams,
  change: (changes: Record<string, string>) => void,
) {
  const values = Object.values(names).filter((value): value is T => typeof value === "number" && value !== 0);
  return html`
    <select
      name=${name}
      aria-label=${name === "reason" ? "Reason" : "Engine"}
      value=${params.get(name) ?? ""}
      onChange=${({ currentTarget }: InputEvent) => change({ [name]: currentTarget.value })}
    >
      <option value="">${anyLabel}</option>
      ${values.map((value) => html`<option value=${names[value]}>${words[value]}</option>`)}
    </select>
  `;
}
