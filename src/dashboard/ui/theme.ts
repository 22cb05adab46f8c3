import { effect, signal } from "@preact/signals";
import { html } from "htm/preact";

const themes = ["auto", "light", "dark"] as const;
type Theme = (typeof themes)[number];

const storageKey = "sessiond-theme";

/** The chosen colours. Browsers can forbid storage; the choice then lasts as long as the page. */
const theme = signal<Theme>(readTheme());

function readTheme(): Theme {
  try {
    return themes.find((one) => one === localStorage.getItem(storageKey)) ?? "auto";
  } catch {
    return "auto";
  }
}

effect(() => {
  document.documentElement.dataset.theme = theme.value;
  try {
    localStorage.setItem(storageKey, theme.value);
  } catch {}
});

const labels: Readonly<Record<Theme, string>> = { auto: "Auto", light: "Light", dark: "Dark" };

/** Chooses between light and dark colours. */
export const ThemeSwitch = () => html`
  <select
    class="theme"
    aria-label="Colours"
    value=${theme.value}
    onChange=${(event: { currentTarget: HTMLSelectElement }) => {
      theme.value = themes.find((one) => one === event.currentTarget.value) ?? "auto";
    }}
  >
    ${themes.map((one) => html`<option value=${one}>${labels[one]}</option>`)}
  </select>
`;
