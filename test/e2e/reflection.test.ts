import assert from "node:assert/strict";
import { it } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionV1Alpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.js";
import { ServerProcess } from "./server-process.ts";
import { nowhere } from "./stream-clients.ts";

const key = "secret";

/** Lists the services by reflection, or returns the error code. */
async function listed(
  baseUrl: string,
  service: typeof ServerReflection | typeof ServerReflectionV1Alpha,
  headers: Record<string, string>,
) {
  const sessionManager = new Http2SessionManager(baseUrl);
  const client = createClient(service, createGrpcTransport({ baseUrl, sessionManager }));
  async function* requests() {
    yield { messageRequest: { case: "listServices" as const, value: "" } };
  }
  try {
    for await (const { messageResponse } of client.serverReflectionInfo(requests(), { headers })) {
      return messageResponse.case === "listServicesResponse"
        ? messageResponse.value.service.map(({ name }) => name)
        : [];
    }
    return [];
  } catch (error) {
    return Code[ConnectError.from(error).code];
  } finally {
    sessionManager.abort();
  }
}

for (const service of [ServerReflection, ServerReflectionV1Alpha]) {
  it(`${service.typeName} is behind the key`, async () => {
    await using server = await ServerProcess.start({
      ...nowhere,
      WAHA_API_KEY: key,
      SESSIOND_HOST: "127.0.0.1",
    });
    assert.equal(await listed(server.baseUrl, service, {}), "Unauthenticated");
    const names = await listed(server.baseUrl, service, { "x-api-key": key });
    for (const name of [
      "sessiond.v1.SessionService",
      "sessiond.v1.EventService",
      "grpc.health.v1.Health",
      service.typeName,
    ]) {
      assert.ok(names?.includes(name), name);
    }
  });
}

it("a server reachable from other machines hides its services, unless configured", async () => {
  const beyond = { ...nowhere, WAHA_API_KEY: key, SESSIOND_HOST: "0.0.0.0" };
  const headers = { "x-api-key": key };
  const local = ({ baseUrl }: ServerProcess) => `http://127.0.0.1:${new URL(baseUrl).port}`;
  {
    await using server = await ServerProcess.start(beyond);
    assert.equal(await listed(local(server), ServerReflection, headers), "Unimplemented");
  }
  await using server = await ServerProcess.start({ ...beyond, SESSIOND_REFLECTION: "true" });
  assert.ok((await listed(local(server), ServerReflection, headers))?.includes("sessiond.v1.SessionService"));
});
