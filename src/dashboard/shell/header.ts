import { h, html } from "htm/preact";
import { loginOptions, logOut } from "../api/access.ts";
import { ThemeSwitch } from "../ui/theme.ts";

const links = [
  { view: "overview", label: "Overview" },
  { view: "sessions", label: "Sessions" },
  { view: "webhooks", label: "Webhooks" },
  { view: "events", label: "Events" },
  { view: "server", label: "Server" },
] as const;

/** Navigation, colours and logout. */
export const Header = ({ view }: { view: string }) => html`
  <header>
    <strong class="brand">sessiond</strong>
    <nav aria-label="Views">
      ${links.map(
        (link) =>
          html`<a href=${`#/${link.view}`} aria-current=${link.view === view ? "page" : undefined}>${link.label}</a>`,
      )}
    </nav>
    ${loginOptions.value.readonly && html`<span class="note">Read only</span>`} ${h(ThemeSwitch, {})}
    ${loginOptions.value.required && html`<button type="button" onClick=${() => void logOut().catch(() => {})}>Log out</button>`}
  </header>
`;
