import { describe } from "node:test";
import { clockContract } from "./backend-clock.ts";
import type { OpenBackend } from "./backend-fixtures.ts";
import { engineDataContract } from "./engine-data-store.ts";
import { logContract } from "./event-log.ts";
import { consumersContract } from "./event-log-consumers.ts";
import { latestContract } from "./event-log-latest.ts";
import { claimsContract } from "./outbox-claims.ts";
import { deliveriesContract } from "./outbox-deliveries.ts";
import { healthContract } from "./outbox-health.ts";
import { retriesContract } from "./outbox-retries.ts";
import { outgoingContract } from "./outgoing.ts";
import { pendingUnlinksContract } from "./pending-unlinks.ts";
import { snapshotsContract } from "./session-snapshots.ts";
import { sessionsContract } from "./sessions.ts";
import { retentionContract } from "./upkeep-retention.ts";

/** Runs the contract of each facet of a Backend on one implementation. */
export function backendContract(name: string, open: OpenBackend): void {
  describe(`${name}: sessions`, () => sessionsContract(open));
  describe(`${name}: snapshots of sessions`, () => snapshotsContract(open));
  describe(`${name}: engine data`, () => engineDataContract(open));
  describe(`${name}: pending unlinks`, () => pendingUnlinksContract(open));
  describe(`${name}: event log`, () => logContract(open));
  describe(`${name}: event log: latest events`, () => latestContract(open));
  describe(`${name}: event log: consumers`, () => consumersContract(open));
  describe(`${name}: outbox: claims`, () => claimsContract(open));
  describe(`${name}: outbox: retries`, () => retriesContract(open));
  describe(`${name}: outbox: deliveries`, () => deliveriesContract(open));
  describe(`${name}: outbox: health of endpoints`, () => healthContract(open));
  describe(`${name}: outgoing messages`, () => outgoingContract(open));
  describe(`${name}: upkeep: retention`, () => retentionContract(open));
  describe(`${name}: clocks that are set`, () => clockContract(open));
}
