import assert from "node:assert/strict";
import { it } from "node:test";
import { RestClient } from "./rest-client.ts";
import { ServerProcess } from "./server-process.ts";

it("parts of requests without effect are reported in each answer and logged once", async () => {
  await using server = await ServerProcess.start({
    WHATSAPP_HOOK_URL: "http://127.0.0.1:1/hook",
    WHATSAPP_HOOK_EVENTS: "message,label.upsert",
  });
  const rest = new RestClient(() => server.baseUrl);
  const config = { gows: { storage: {} }, webhooks: [{ url: "http://127.0.0.1:1/", events: ["group.join"] }] };
  for (const name of ["a", "b", "c"]) {
    const { status, headers } = await rest.post("/api/sessions", { name, start: false, config });
    assert.equal(status, 201);
    assert.equal(
      headers.get("sessiond-warning"),
      '"config.gows is unknown and ignored", "config.webhooks.0.events.0: group.join never fires here"',
    );
    assert.match(headers.get("access-control-expose-headers") ?? "", /Sessiond-Warning/);
  }
  const form = await fetch(`${server.baseUrl}/api/sessions/stop`, {
    method: "POST",
    body: new URLSearchParams({ name: "a", force: "true" }),
  });
  assert.deepEqual([form.status, form.headers.get("sessiond-warning")], [201, '"force is unknown and ignored"']);
  const told = server.log.flatMap((line) => /"part":"([^"]+)"/.exec(line)?.[1] ?? []);
  assert.deepEqual(told, [
    "event label.upsert of WHATSAPP_HOOK_EVENTS never fires here",
    "config.gows is unknown and ignored",
    "event group.join never fires here",
    "force is unknown and ignored",
  ]);
});
