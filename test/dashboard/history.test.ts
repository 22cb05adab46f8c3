import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import { ListStatusHistoryResponse_TransitionSchema as TransitionSchema } from "../../gen/sessiond/v1/session_service_pb.js";
import { shareByStatus, statusSpans } from "../../src/dashboard/history/status-spans.ts";
import { openDashboardHarness } from "./dashboard-page.ts";

describe("the history of a session in the dashboard", () => {
  it("tells that it failed and recovered, and follows", async () => {
    await using harness = await openDashboardHarness();
    await harness.rest.post("/api/sessions", { name: "relinked" });
    const phone = harness.whatsapp.phone("15550100021");
    await phone.scan(await harness.qrValue("relinked"));
    await harness.rest.untilStatus("relinked", "WORKING");
    const dashboard = await harness.open("#/sessions?session=relinked&tab=history");
    await dashboard.waitForText(".history tbody tr:first-child", /Working/);
    await phone.unlink();
    await dashboard.waitForText(".history tbody tr:first-child", /Failed.*Logged out/s);
    await harness.rest.post("/api/sessions/relinked/restart");
    await harness.whatsapp.phone("15550100021").scan(await harness.qrValue("relinked"));
    await harness.rest.untilStatus("relinked", "WORKING");
    await dashboard.waitForText(".history tbody tr:first-child", /Working/);
    await dashboard.waitForText(".history tbody", /Working.*Scan QR code.*Failed.*Logged out.*Working/s);
    // The bar ends at the current second.
    await dashboard.page.waitForFunction(() => {
      const drawn = [...document.querySelectorAll(".bar rect")].map((part) => part.getAttribute("data-status"));
      return drawn.includes("FAILED") && drawn.at(-1) === "WORKING";
    });
    await dashboard.page.select(".bar-range select", "3600000");
    await dashboard.waitForText(".bar", /Working [\d.]+ %/);
    dashboard.assertFaultless();
  });

  it("says so if there is none", async () => {
    await using harness = await openDashboardHarness();
    await harness.rest.post("/api/sessions", { name: "new", start: false });
    const dashboard = await harness.open("#/sessions?session=new&tab=history");
    await dashboard.waitForText(".drawer-body", /Stopped|No change of status is stored/);
  });
});

describe("the spans of a history", () => {
  const history = (...statuses: (readonly [Status, number])[]) =>
    statuses.map(([status, ms]) => create(TransitionSchema, { status, time: timestampFromMs(ms) }));
  const { WORKING, FAILED, STARTING } = Status;

  const cases: readonly (readonly [string, ReturnType<typeof history>, (readonly [Status, number, number])[]])[] = [
    ["nothing is known", history(), []],
    ["one status began before", history([WORKING, 0]), [[WORKING, 0, 1]]],
    ["one status began meanwhile", history([WORKING, 150]), [[WORKING, 0.5, 0.5]]],
    ["one status will begin later", history([WORKING, 300]), []],
    [
      "statuses began before and meanwhile",
      history([WORKING, 175], [STARTING, 150], [FAILED, 50], [WORKING, 0]),
      [
        [FAILED, 0, 0.5],
        [STARTING, 0.5, 0.25],
        [WORKING, 0.75, 0.25],
      ],
    ],
  ];
  for (const [name, transitions, wanted] of cases) {
    it(`are right if ${name}`, () => {
      const spans = statusSpans(transitions, 100, 200);
      assert.deepEqual(
        spans.map(({ status, start, length }) => [status, start, length]),
        wanted,
      );
    });
  }

  it("add up by status, the largest first", () => {
    const spans = statusSpans(history([WORKING, 190], [FAILED, 150], [WORKING, 0]), 100, 200);
    const shares = shareByStatus(spans).map(([status, share]) => [status, Math.round(share * 100)]);
    assert.deepEqual(shares, [
      [WORKING, 60],
      [FAILED, 40],
    ]);
  });
});
