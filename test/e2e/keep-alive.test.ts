import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import { it } from "node:test";
import { ServerProcess } from "./server-process.ts";

it("connections are kept alive as long as configured", async () => {
  await using server = await ServerProcess.start({
    SESSIOND_KEEP_ALIVE_SECONDS: "1234",
    SESSIOND_HTTP2_IDLE_SECONDS: "3",
    SESSIOND_HTTP2_PING_SECONDS: "1",
  });
  const { headers } = await fetch(`${server.baseUrl}/ping`, { headers: { connection: "keep-alive" } });
  assert.equal(headers.get("keep-alive"), "timeout=1234");
  const session = connect(server.baseUrl);
  const pinged = once(session, "ping");
  await once(session, "close");
  await pinged;
});
