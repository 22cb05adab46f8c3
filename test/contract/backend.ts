import { describe } from "node:test";
import { claimsContract } from "./backend-claims.ts";
import { dataContract } from "./backend-data.ts";
import type { OpenBackend } from "./backend-fixtures.ts";
import { logContract } from "./backend-log.ts";
import { retriesContract } from "./backend-retries.ts";
import { sessionsContract } from "./backend-sessions.ts";

/** What every Backend must do, run on one. */
export function backendContract(name: string, open: OpenBackend): void {
  describe(`${name}: sessions`, () => sessionsContract(open));
  describe(`${name}: engine data`, () => dataContract(open));
  describe(`${name}: event log and watching`, () => logContract(open));
  describe(`${name}: deliveries`, () => claimsContract(open));
  describe(`${name}: retries`, () => retriesContract(open));
}
