import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { describe, it } from "node:test";
import { ServerProcess } from "./server-process.ts";

const bad: readonly [variable: string, value: string, shown: string][] = [
  ["SESSIOND_ALLOWED_HOSTS", "a.example, https://b.example", "https://b.example"],
  ["SESSIOND_ALLOWED_HOSTS", "*.example.com", "*.example.com"],
  ["SESSIOND_CORS_ORIGIN", "app.example", "app.example"],
  ["SESSIOND_CORS_ORIGIN", "https://a.example,https://b.example/path", "https://b.example/path"],
];

describe("the access by host and origin", () => {
  for (const [variable, value, shown] of bad) {
    it(`${variable}=${value} stops the start and is named`, async () => {
      await assert.rejects(ServerProcess.start({ [variable]: value }), ({ message }: Error) => {
        assert.match(message, /^the server ended: 1\n/);
        assert.ok(message.includes(`sessiond: ${variable}: '${shown}' `), message);
        return true;
      });
    });
  }

  it("a domain's names are accepted; others get the names of the variables to set", async () => {
    await using server = await ServerProcess.start({ SESSIOND_ALLOWED_HOSTS: ".proxy.example" });
    const { port } = new URL(server.baseUrl);
    const get = async (host: string) => {
      const [res] = await once(
        request({ host: "127.0.0.1", port, path: "/api/sessions", headers: { host } }).end(),
        "response",
      );
      return { status: res.statusCode, body: (await res.toArray()).join("") };
    };
    for (const host of ["proxy.example", "wa.proxy.example:443"]) assert.equal((await get(host)).status, 200, host);
    const { status, body } = await get("proxy.example.evil");
    assert.equal(status, 403);
    assert.match(body, /SESSIOND_ALLOWED_HOSTS.*WAHA_API_KEY/);
  });
});
