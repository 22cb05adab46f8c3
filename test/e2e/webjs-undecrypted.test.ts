import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Webhook } from "./webhook-inbox.ts";
import { openWebjsHarness } from "./webjs-harness.ts";

/** Returns the texts of the posted messages, one for each event: after a kill, an event may be posted again. */
function textsOf(taken: readonly Webhook[]) {
  const messages = taken.filter(({ body }) => body.event === "message");
  return [...new Map(messages.map(({ body }) => [body.id, body.payload.body])).values()];
}

describe("a message that WEBJS can decrypt only after a newer one was posted", () => {
  it("is posted once, even though the server was killed in between", async () => {
    await using harness = await openWebjsHarness();
    const { whatsapp, rest, hook, server, config, pair } = harness;
    await rest.post("/api/sessions", { name: "alice", config });
    const phone = await pair("alice");
    const bob = whatsapp.phone();
    // The time of the newest message does not lead to them.
    const before = { t: Math.floor(Date.now() / 1_000) - 60, isUndecrypted: true };
    const ids: string[] = [];
    for (const text of ["late", "later"]) ids.push(await bob.sendTextTo(phone, text, before));
    await bob.sendTextTo(phone, "newer");
    await hook.until((taken) => textsOf(taken).includes("newer"));
    await server.kill("SIGKILL");
    await server.restart();
    for (const id of ids) bob.sendAgain(id);
    await hook.until((taken) => textsOf(taken).includes("later"));
    await bob.sendTextTo(phone, "last");
    await hook.until((taken) => textsOf(taken).includes("last"));
    assert.deepEqual(textsOf(hook.taken), ["newer", "late", "later", "last"]);
  });
});
