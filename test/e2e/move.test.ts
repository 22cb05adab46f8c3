import assert from "node:assert/strict";
import { join } from "node:path";
import { after, it } from "node:test";
import { startPostgres } from "../support/postgres-server.ts";
import { openHarness } from "./harness.ts";
import { startMain } from "./start.ts";

const postgres = await startPostgres();
after(() => postgres.close());

it("a paired session works in PostgreSQL and back in the data directory without a new QR code", async () => {
  const url = await postgres.createDatabase();
  await using harness = await openHarness();
  const { whatsapp, hook, server, rest, config } = harness;
  const phone = whatsapp.phone(undefined, { name: "Alice" });
  await rest.post("/api/sessions", { name: "alice", config });
  await phone.scan(await rest.qrCode("alice"));
  await rest.untilStatus("alice", "WORKING");
  const bob = whatsapp.phone(undefined, { name: "Bob" });
  const base = join(server.directory, "sessions");
  const move = (option: string) =>
    startMain({ WAHA_LOCAL_STORE_BASE_DIR: base, SESSIOND_STORE: url }, { args: ["move", option, "postgres"] });

  for (const [option, env, text] of [
    ["--to", { SESSIOND_STORE: url }, "in PostgreSQL"],
    ["--from", {}, "back"],
  ] as const) {
    assert.equal((await move(option)).code, 1, "it is refused while the server runs");
    await server.kill("SIGTERM");
    const { code, output } = await move(option);
    assert.equal(code, 0, output);
    await server.restart(env);
    await rest.untilStatus("alice", "WORKING");
    await bob.sendTextTo(phone, text);
    await hook.until((taken) => taken.find(({ body }) => body.payload?.body === text));
    if (option === "--to") {
      const former = await startMain({ WAHA_LOCAL_STORE_BASE_DIR: base });
      assert.equal(former.code, 1);
      assert.match(former.output, /it was moved to PostgreSQL at .*To move it back, run: npm run move/);
    }
  }
});
