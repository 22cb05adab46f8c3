import type { Config, Secrets } from "../config/config.ts";
import type { DashboardLogins, LoginProof } from "../http/dashboard-login/routes.ts";
import { createPasswordVerifier } from "../http/static-files/basic-auth.ts";
import type { Logins } from "../ports/logins.ts";
import type { Tools } from "./overrides.ts";

/** Parts of the logins of the dashboard. */
export interface DashboardLoginParts {
  /** Checks an API key; undefined if no key is needed. */
  readonly verifyKey: ((presented: string) => boolean) | undefined;
  readonly logins: Logins;
}

/** Creates the logins of the dashboard; undefined if it is off. */
export function createDashboardLogins(
  { dashboard }: Config,
  { dashboardLogin }: Secrets,
  { verifyKey, logins }: DashboardLoginParts,
  { clock, logger }: Tools,
): DashboardLogins | undefined {
  if (dashboard === "off") return undefined;
  const verifyPassword = dashboardLogin && createPasswordVerifier(dashboardLogin);
  const verify = verifyKey && verifierOf(verifyKey, verifyPassword);
  return {
    isReadOnly: dashboard === "readonly",
    acceptsPassword: dashboardLogin !== undefined,
    verify,
    open: () => logins.open(),
    isOpen: (secret) => logins.isOpen(secret),
    end: (secret) => logins.end(secret),
    onRefused: (address) => logger.warn({ address }, "dashboard login refused"),
    nowMs: () => clock.nowMs(),
  };
}

function verifierOf(
  verifyKey: (presented: string) => boolean,
  verifyPassword: ReturnType<typeof createPasswordVerifier> | undefined,
) {
  return (proof: LoginProof): boolean => {
    // Keys are checked as they come in a header: one character per byte.
    if (proof.kind === "key") return verifyKey(Buffer.from(proof.key).toString("latin1"));
    return verifyPassword?.(proof) ?? false;
  };
}
