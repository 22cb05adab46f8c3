import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Client, credentials } from "@grpc/grpc-js";
import { loadFileDescriptorSetFromBuffer } from "@grpc/proto-loader";
import { ServerProcess } from "../server-process.ts";

interface GrpcMethod {
  readonly path: string;
  readonly requestSerialize: (value: object) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => object;
}

describe("the protos at /descriptor.binpb", () => {
  it("suffice to call the server without reflection", async () => {
    await using server = await ServerProcess.start({ SESSIOND_REFLECTION: "false" });
    const answer = await fetch(`${server.baseUrl}/descriptor.binpb`);
    assert.equal(answer.headers.get("content-type"), "application/x-protobuf");
    const bytes = Buffer.from(await answer.arrayBuffer());
    const definition = loadFileDescriptorSetFromBuffer(bytes);
    const services = Object.keys(definition).filter((name) => name.endsWith("Service") || name.endsWith(".Health"));
    assert.deepEqual(services.toSorted(), [
      "grpc.health.v1.Health",
      "sessiond.v1.AuthService",
      "sessiond.v1.EventService",
      "sessiond.v1.MessageService",
      "sessiond.v1.ServerService",
      "sessiond.v1.SessionService",
      "sessiond.v1.StoreService",
      "sessiond.v1.WebhookService",
    ]);
    const { Ping } = definition["sessiond.v1.ServerService"] as Record<string, GrpcMethod>;
    assert(Ping);
    const client = new Client(new URL(server.baseUrl).host, credentials.createInsecure());
    const pong = await new Promise<object>((resolve, reject) => {
      const { path, requestSerialize, responseDeserialize } = Ping;
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, {}, (error, value) =>
        value === undefined ? reject(error) : resolve(value),
      );
    });
    client.close();
    assert.deepEqual({ ...pong }, { message: "pong" });
  });

  it("contain each file once, after the files it imports", async () => {
    await using server = await ServerProcess.start();
    const answer = await fetch(`${server.baseUrl}/descriptor.binpb`);
    const { file } = fromBinary(FileDescriptorSetSchema, new Uint8Array(await answer.arrayBuffer()));
    const seen = new Set<string>();
    for (const { name, dependency } of file) {
      assert.equal(seen.has(name), false, name);
      for (const imported of dependency) assert.ok(seen.has(imported), `${name} imports ${imported}`);
      seen.add(name);
    }
    assert.ok(seen.has("google/api/annotations.proto") && seen.has("google/protobuf/timestamp.proto"));
    const again = await fetch(`${server.baseUrl}/descriptor.binpb`, {
      headers: { "if-none-match": answer.headers.get("etag") ?? "" },
    });
    assert.equal(again.status, 304);
  });

  it("need the login of the documentation, and are switched off with it", async () => {
    const login = { WHATSAPP_SWAGGER_USERNAME: "admin", WHATSAPP_SWAGGER_PASSWORD: "secret" };
    await using server = await ServerProcess.start(login);
    const authorization = `Basic ${Buffer.from("admin:secret").toString("base64")}`;
    for (const path of ["/descriptor.binpb", "/openapi-3.0.json", "/openapi.json"]) {
      assert.equal((await fetch(server.baseUrl + path)).status, 401, path);
      assert.equal((await fetch(server.baseUrl + path, { headers: { authorization } })).status, 200, path);
    }
    await using off = await ServerProcess.start({ WHATSAPP_SWAGGER_ENABLED: "false" });
    for (const path of ["/descriptor.binpb", "/openapi-3.0.json"]) {
      assert.equal((await fetch(off.baseUrl + path)).status, 404, path);
    }
  });
});
