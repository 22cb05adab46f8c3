import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ChannelElection } from "../../src/dashboard/live/election.ts";
import { aborted } from "../../src/dashboard/live/signals.ts";

/** One tab that wants to lead. */
function openTab(name: string) {
  const closing = new AbortController();
  const leads = Promise.withResolvers<void>();
  const tab = {
    isLeading: false,
    leads: leads.promise,
    async close() {
      closing.abort();
      await done;
    },
  };
  const done = new ChannelElection(name).lead(closing.signal, async (leading) => {
    tab.isLeading = true;
    leads.resolve();
    await aborted(leading);
    tab.isLeading = false;
  });
  return tab;
}

describe("the election of a tab without Web Locks", () => {
  it("elects one of several tabs, and another one as soon as it closes", async () => {
    const tabs = Array.from({ length: 4 }, () => openTab("one of several"));
    await Promise.race(tabs.map((tab) => tab.leads));
    const first = tabs.filter((tab) => tab.isLeading);
    assert.equal(first.length, 1);
    const others = tabs.filter((tab) => !first.includes(tab));
    await first[0]?.close();
    await Promise.race(others.map((tab) => tab.leads));
    assert.equal(others.filter((tab) => tab.isLeading).length, 1);
    await Promise.all(others.map((tab) => tab.close()));
  });

  it("elects the only tab at once", async () => {
    const tab = openTab("only one");
    await tab.leads;
    await tab.close();
  });
});
