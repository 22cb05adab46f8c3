import { html } from "htm/preact";
import { go, route, routeWith } from "../route.ts";

interface Props {
  readonly name: string;
  readonly label: string;
}

interface ChangeEvent {
  readonly currentTarget: HTMLInputElement | HTMLSelectElement;
}

const change = (name: string, value: string) => go(routeWith(route.value, { [name]: value }), { replace: true });

/** A text that filters a view. The address holds it. */
export const TextFilter = ({ name, label }: Props) => html`
  <input
    type="search"
    name=${name}
    aria-label=${label}
    placeholder=${label}
    autocomplete="off"
    spellcheck="false"
    value=${route.value.params.get(name) ?? ""}
    onInput=${({ currentTarget }: ChangeEvent) => change(name, currentTarget.value)}
  />
`;

/** A choice that filters a view. The address holds it. "" is the choice of any. */
export const ChoiceFilter = ({ name, label, choices }: Props & { choices: Readonly<Record<string, string>> }) => html`
  <select
    name=${name}
    aria-label=${label}
    value=${route.value.params.get(name) ?? ""}
    onChange=${({ currentTarget }: ChangeEvent) => change(name, currentTarget.value)}
  >
    ${Object.entries(choices).map(([value, words]) => html`<option value=${value}>${words}</option>`)}
  </select>
`;
