import { describe } from "node:test";
import { claimsContract } from "./backend-claims.ts";
import { clockContract } from "./backend-clock.ts";
import { consumersContract } from "./backend-consumers.ts";
import { dataContract } from "./backend-data.ts";
import { deliveriesContract } from "./backend-deliveries.ts";
import type { OpenBackend } from "./backend-fixtures.ts";
import { healthContract } from "./backend-health.ts";
import { logContract } from "./backend-log.ts";
import { pendingUnlinksContract } from "./backend-pending-unlinks.ts";
import { retentionContract } from "./backend-retention.ts";
import { retriesContract } from "./backend-retries.ts";
import { sessionsContract } from "./backend-sessions.ts";

/** What every Backend must do, run on one. */
export function backendContract(name: string, open: OpenBackend): void {
  describe(`${name}: sessions`, () => sessionsContract(open));
  describe(`${name}: engine data`, () => dataContract(open));
  describe(`${name}: logins set aside`, () => pendingUnlinksContract(open));
  describe(`${name}: event log and watching`, () => logContract(open));
  describe(`${name}: named readers of the log`, () => consumersContract(open));
  describe(`${name}: deliveries`, () => claimsContract(open));
  describe(`${name}: retries`, () => retriesContract(open));
  describe(`${name}: the log of deliveries`, () => deliveriesContract(open));
  describe(`${name}: health of endpoints`, () => healthContract(open));
  describe(`${name}: retention`, () => retentionContract(open));
  describe(`${name}: clocks that are set`, () => clockContract(open));
}
