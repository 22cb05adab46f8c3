import { sessionClient } from "../api/clients.ts";
import { go, route, routeWith } from "../route.ts";
import type { RemedyAction } from "../words.ts";

/** Calls that change a session, by the name of their button. */
export const sessionCalls = {
  start: (session: string) => sessionClient.startSession({ session }),
  stop: (session: string) => sessionClient.stopSession({ session }),
  restart: (session: string) => sessionClient.restartSession({ session }),
  logout: (session: string) => sessionClient.logoutSession({ session }),
  delete: (session: string) => sessionClient.deleteSession({ session }),
} as const;

/** Does what a remedy suggests. Those that end in a pairing show its tab. */
export async function applyRemedy(action: RemedyAction, session: string): Promise<void> {
  if (action === "restoreLogin") {
    await sessionClient.restoreCredentials({ session });
    return;
  }
  if (action === "logOutAndPair") await sessionCalls.logout(session);
  await sessionCalls.restart(session);
  if (action !== "restart") go(routeWith(route.value, { session, tab: "pair" }));
}
