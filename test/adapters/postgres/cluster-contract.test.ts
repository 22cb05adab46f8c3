import { describe } from "node:test";
import type { OpenBackend } from "../../contract/backend-fixtures.ts";
import { logContract } from "../../contract/event-log.ts";
import { consumersContract } from "../../contract/event-log-consumers.ts";
import { latestContract } from "../../contract/event-log-latest.ts";
import { deliveriesContract } from "../../contract/outbox-deliveries.ts";
import { snapshotsContract } from "../../contract/session-snapshots.ts";
import { sessionsContract } from "../../contract/sessions.ts";
import { retentionContract } from "../../contract/upkeep-retention.ts";
import { timings } from "./cluster-nodes.ts";
import { emptyDatabase } from "./databases.ts";

/** A node notices at once that another one joins. */
const attentive = { ...timings, readMs: timings.readMs / 10 };

// The facets that are answered in another way beside other nodes.
describe("postgres, beside another node", () => {
  const open: OpenBackend = async (t, clock) => {
    const database = await emptyDatabase(t);
    await database.open(clock, { node: { name: "idle" }, timings: attentive });
    return database.open(clock, { node: { name: "tested" }, timings });
  };
  sessionsContract(open);
  snapshotsContract(open);
  logContract(open);
  latestContract(open);
  consumersContract(open);
  deliveriesContract(open);
  retentionContract(open);
});
