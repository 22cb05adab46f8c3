import { h, html } from "htm/preact";
import { useEffect, useMemo } from "preact/hooks";
import { isLoggedIn } from "../api/access.ts";
import { SessionFeed } from "../live/session-feed.ts";
import { go, route } from "../route.ts";
import { SessionStore } from "../sessions/session-store.ts";
import { SessionsView } from "../sessions/sessions-view.ts";
import { Announcer } from "../ui/announcer.ts";
import { ConnectionBanner } from "./connection-banner.ts";
import { Header } from "./header.ts";
import { LoginForm } from "./login-form.ts";
import { Welcome } from "./welcome.ts";

const views = { sessions: SessionsView } as const;
const firstView = "sessions";

const isView = (name: string): name is keyof typeof views => Object.hasOwn(views, name);

/** The page: the login, or the view that the address names. */
export const App = () => html`
  ${isLoggedIn.value === undefined ? h(Welcome, {}) : isLoggedIn.value ? h(Dashboard, {}) : h(LoginForm, {})}
  ${h(Announcer, {})}
`;

/** Everything behind the login. Its feed runs as long as it is shown. */
const Dashboard = () => {
  const { store, feed } = useMemo(() => {
    const sessions = new SessionStore();
    return { store: sessions, feed: new SessionFeed(sessions) };
  }, []);
  useEffect(() => {
    feed.start();
    return () => feed.stop();
  }, [feed]);
  const { view } = route.value;
  useEffect(() => {
    if (!isView(view)) go(`#/${firstView}`, { replace: true });
  }, [view]);
  return html`
    ${h(Header, { view })}
    ${h(ConnectionBanner, { state: feed.state })}
    ${h(views[isView(view) ? view : firstView], { store, feed })}
  `;
};
