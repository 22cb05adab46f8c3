import { setTimeout as delay } from "node:timers/promises";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { openLevelBackend } from "../../../src/adapters/level/backend.ts";
import { systemClock } from "../../../src/adapters/node/system.ts";
import { StoreUnavailable } from "../../../src/domain/errors.ts";
import { createSession, endpointOf, eventOf, recordOf } from "../../contract/backend-fixtures.ts";

/** A line of the writer. */
export type Report =
  | { readonly type: "committed" | "refused"; readonly revision: number; readonly seq?: string }
  | { readonly type: "credentials"; readonly count: number }
  | {
      readonly type: "state";
      readonly check: string;
      readonly revision: number | undefined;
      readonly endpoint: string;
    };

const [directory = ""] = process.argv.slice(2);
const backend = await openLevelBackend({ directory, clock: systemClock });
const { lease } = await createSession(backend, "alice", ["one"]);
const tell = (report: Report) => process.send?.(report);
const metadata = { filling: "x".repeat(20_000) };

/** Commits one revision after another, each with its event, and does not retry refused ones. */
async function commits(): Promise<never> {
  for (let revision = 2; ; revision += 1) {
    const event = { ...eventOf("alice"), metadata, time: timestampFromMs(revision) };
    const commit = {
      record: recordOf("alice", revision),
      events: [{ event, endpointIds: ["one"] }],
      endpoints: [endpointOf("one", `http://receiver.test/${revision}`)],
    };
    try {
      const [logged] = await backend.sessions.commit(lease, commit);
      tell({ type: "committed", revision, seq: String(logged?.seq) });
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      tell({ type: "refused", revision });
      await delay(20);
    }
  }
}

/** Writes like an engine: in sequence, whenever the store accepts writes. */
async function credentials(): Promise<never> {
  const handle = backend.engineData.credentials(lease);
  for (let count = 1; ; count += 1) {
    await handle.write(new Map([["count", Buffer.from(String(count))]]));
    tell({ type: "credentials", count });
  }
}

process.on("message", async () => {
  const check = await backend.upkeep.check().then(
    () => "ok",
    (error: Error) => error.name,
  );
  const { record } = await backend.sessions.get("alice");
  const [endpoint] = await backend.outbox.endpoints("alice");
  tell({ type: "state", check, revision: record?.revision, endpoint: endpoint?.config?.url ?? "" });
});

await Promise.all([commits(), credentials()]);
