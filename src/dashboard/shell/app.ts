import { h, html } from "htm/preact";
import type { FunctionComponent } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { isLoggedIn } from "../api/access.ts";
import { EventsView } from "../events/events-view.ts";
import { SessionFeed } from "../live/session-feed.ts";
import { OverviewView } from "../overview/overview-view.ts";
import { go, route } from "../route.ts";
import { ServerView } from "../server/server-view.ts";
import { SessionStore } from "../sessions/session-store.ts";
import { SessionsView } from "../sessions/sessions-view.ts";
import { Announcer } from "../ui/announcer.ts";
import { WebhooksView } from "../webhooks/webhooks-view.ts";
import { ConnectionBanner } from "./connection-banner.ts";
import { Header } from "./header.ts";
import { LoginForm } from "./login-form.ts";
import { Welcome } from "./welcome.ts";

interface ViewProps {
  readonly store: SessionStore;
  readonly feed: SessionFeed;
}

const views = {
  overview: OverviewView,
  sessions: SessionsView,
  webhooks: WebhooksView,
  events: EventsView,
  server: ServerView,
} as const satisfies Readonly<Record<string, FunctionComponent<ViewProps>>>;
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
    ${h<ViewProps>(views[isView(view) ? view : firstView], { store, feed })}
  `;
};
