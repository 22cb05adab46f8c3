import { randomBytes } from "node:crypto";
import { describe } from "node:test";
import { createSealer } from "../../../src/adapters/seal/aes-gcm.ts";
import { backendContract } from "../../contract/backend.ts";
import type { OpenBackend } from "../../contract/backend-fixtures.ts";
import { snapshotsContract } from "../../contract/session-snapshots.ts";
import { sessionsContract } from "../../contract/sessions.ts";
import { emptyDatabase } from "./databases.ts";

backendContract("postgres", async (t, clock) => (await emptyDatabase(t)).open(clock));

describe("postgres, records in the database: sessions", () => {
  const open: OpenBackend = async (t, clock) => (await emptyDatabase(t)).open(clock, { recordCapacity: 0 });
  sessionsContract(open);
  snapshotsContract(open);
});

const sealer = createSealer(randomBytes(32));
backendContract("postgres, sealed", async (t, clock) => (await emptyDatabase(t)).open(clock, { sealer }));
