import { Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import { SessionError, sessionNotStarted } from "../domain/errors.ts";
import { statusOf } from "../domain/session.ts";
import type { Engine } from "../ports/engine.ts";
import type { RunnerDeps } from "./runner-deps.ts";

/** A picture of a session's page, or the QR value to draw for an engine without a page. */
export type Screenshot = { readonly png: Uint8Array } | { readonly qr: string };

/** Takes a screenshot. `openEngine` returns the session's open engine, if there is one. */
export async function takeScreenshot(
  { backend, engines, logger }: Pick<RunnerDeps, "backend" | "engines" | "logger">,
  session: string,
  openEngine: () => Promise<Engine | undefined>,
): Promise<Screenshot> {
  const { record, pairing } = await backend.sessions.get(session);
  if (!record || statusOf(record) === Status.STOPPED) throw sessionNotStarted(session);
  if (engines.get(record.engine)?.abilities.includes("screenshots")) {
    const engine = await openEngine();
    const png = await engine?.screenshots?.take().catch((error: unknown) => {
      logger.debug({ err: error, session }, "no screenshot");
    });
    if (png) return { png };
    throw new SessionError("ENGINE_UNAVAILABLE", "The session has no page that can be seen now", { session });
  }
  if (pairing) return { qr: pairing.value };
  throw new SessionError("NOT_A_BROWSER", "Can not get screenshot for non chrome based engine.", { session });
}
