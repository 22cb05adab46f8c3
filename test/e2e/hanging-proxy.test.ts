import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { describe, it } from "node:test";
import { openHarness } from "./harness.ts";

describe("a proxy that never answers", () => {
  it("is not shown as a wait for a slot and does not block sessions without it", async () => {
    await using harness = await openHarness({ SESSIOND_CONNECTS_PER_SECOND: "0.5" });
    const { rest } = harness;
    const asking: Socket[] = [];
    const proxy = createServer((client) => void asking.push(client.on("error", () => {})));
    await using stack = new AsyncDisposableStack();
    stack.defer(() => {
      for (const client of asking) client.destroy();
      proxy.close();
    });
    proxy.listen(0, "127.0.0.1");
    await once(proxy, "listening");
    const { port } = proxy.address() as AddressInfo;
    const names = ["a", "b", "c"];
    const config = { proxy: { server: `127.0.0.1:${port}` } };
    await Promise.all(names.map((name) => rest.post("/api/sessions", { name, config })));
    await rest.post("/api/sessions", { name: "direct" });
    const messageOf = async (name: string) => {
      const { body } = await rest.get(`/api/sessions/${name}`);
      return String(body.statusMessage ?? "");
    };
    const messages = () => Promise.all(names.map(messageOf));
    assert.ok((await messages()).includes("Waits for its turn to connect"), "while some still do");
    while (asking.length < names.length) await once(proxy, "connection");
    await rest.untilStatus("direct", "SCAN_QR_CODE");
    assert.deepEqual(await messages(), ["", "", ""]);
  });
});
