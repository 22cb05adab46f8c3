import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { reasonSentence, shortened } from "../../src/dashboard/outbox/outbox-words.ts";
import { screens, violationsIn } from "./axe.ts";
import { openDashboardHarness } from "./dashboard-page.ts";

describe("the outbox of a session in the dashboard", () => {
  let harness: Awaited<ReturnType<typeof openDashboardHarness>>;
  before(async () => {
    harness = await openDashboardHarness({ SESSIOND_SENDS_PER_SECOND: "0" });
    await harness.rest.post("/api/sessions", { name: "alice" });
    await harness.whatsapp.phone("15550100001").scan(await harness.qrValue("alice"));
    await harness.rest.untilStatus("alice", "WORKING");
  });
  afterEach(() => harness.closeTabs());
  after(() => harness[Symbol.asyncDispose]());

  const send = (chatId: string, text: string, headers: Record<string, string> = {}) =>
    harness.rest.call("POST", "/api/sendText", { session: "alice", chatId, text }, headers);

  it("shows each message with its chat and state, follows it, and is filtered by state", async () => {
    const { whatsapp, rest } = harness;
    whatsapp.numbering.set("49123456789", null);
    const bob = whatsapp.phone("15550100002");
    await send(`${bob.number}@c.us`, `first line\n<b>second</b> ${"long ".repeat(40)}`);
    await send("49123456789@c.us", "to nobody");
    const dashboard = await harness.open("#/sessions?session=alice&tab=status");
    await dashboard.press("Outbox");
    await dashboard.waitForText(".record", /Delivered first line <b>second<\/b> long .*…to 15550100002@c\.us/s);
    await dashboard.waitForText(".record", /Failed to nobody.*The number has no account at WhatsApp\./s);
    const { body } = await rest.get("/api/sessions/alice/outbox?states=DELIVERED");
    bob.confirm(whatsapp.phone("15550100001"), [String(body.messages?.[0]?.id)], { type: "read" });
    await dashboard.waitForText(".record", /Read first line/);
    // By keyboard, as a person without a mouse.
    await dashboard.page.focus('[aria-label="Messages"] li:last-child summary');
    await dashboard.page.keyboard.press("Enter");
    await dashboard.waitForText(".record details[open]", /first line\n<b>second.*Accepted.*Last change.*Attempts1/s);
    await dashboard.page.select('[aria-label="State of messages"]', "FAILED");
    await dashboard.page.waitForFunction(() => document.querySelectorAll(".record").length === 1);
    await dashboard.waitForText(".record", /to nobody/);
    await dashboard.page.select('[aria-label="State of messages"]', "EXPIRED");
    await dashboard.waitForText(".empty", /No message is in this state/);
    dashboard.assertFaultless();
  });

  it("says why a message waits, and cancels it after a confirmation", async () => {
    await harness.rest.post("/api/sessions/alice/stop");
    await send("15550100003@c.us", "too early", { prefer: "respond-async" });
    const dashboard = await harness.open("#/sessions?session=alice&tab=outbox");
    await dashboard.waitForText(".record", /Queued too early.*It leaves as soon as the session works\./s);
    const opens = () => dashboard.press("Cancel the message to 15550100003@c.us …");
    await opens();
    await dashboard.waitForText("dialog", /too early.*will not be sent to 15550100003@c\.us/s);
    await dashboard.press("Keep it");
    await dashboard.waitUntilGone("dialog");
    await opens();
    await dashboard.press("Cancel message");
    await dashboard.waitForText(".record", /Cancelled too early.*A user cancelled it\./s);
    assert.equal(await dashboard.page.$(".record button"), null);
    dashboard.assertFaultless();
  });

  for (const screen of screens) {
    it(`has nothing that axe-core finds wrong (${screen.name})`, async () => {
      await send("15550100004@c.us", "waits", { prefer: "respond-async" });
      const dashboard = await harness.open("#/sessions?session=alice&tab=outbox", screen.apply);
      await dashboard.page.locator(".record summary").click();
      assert.deepEqual(await violationsIn(dashboard), []);
      await dashboard.press("Cancel the message to 15550100004@c.us …");
      await dashboard.waitForText("dialog", /waits/);
      assert.deepEqual(await violationsIn(dashboard), []);
      const width = await dashboard.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(width <= 0, "nothing is wider than the screen");
      await dashboard.press("Cancel message");
      await dashboard.waitUntilGone("dialog");
    });
  }
});

it("reasons of the outbox are sentences, also those that the page does not know", () => {
  for (const [reason, sentence] of [
    ["", ""],
    ["REACHOUT_LOCKED", "WhatsApp has locked new chats of this account. Replies still pass."],
    ["WHATSAPP_475", "WhatsApp refused it with the error 475."],
    ["SOMETHING_NEW", "The server gives this reason: SOMETHING_NEW."],
    ["constructor", "The server gives this reason: constructor."],
  ] as const) {
    assert.equal(reasonSentence(reason), sentence);
  }
});

it("texts of the outbox are shortened to one line of whole characters", () => {
  assert.equal(shortened(" a\n\tb "), "a b");
  assert.equal(shortened("👍".repeat(100)), `${"👍".repeat(79)}…`);
  assert.equal(shortened("x".repeat(80)), "x".repeat(80));
});
