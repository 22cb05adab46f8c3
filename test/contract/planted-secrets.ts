import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { EndpointSchema, SessionRecordSchema } from "../../gen/sessiond/store/v1/store_pb.js";
import { MessagePayloadSchema } from "../../gen/sessiond/v1/event_pb.js";
import type { Backend } from "../../src/ports/backend.ts";
import { eventOf, history, Reader } from "./backend-fixtures.ts";

const secret = () => randomBytes(12).toString("hex");
/** Secrets that a store can hold. */
export const planted = {
  hmacKey: secret(),
  header: secret(),
  userinfo: secret(),
  proxyPassword: secret(),
  metadata: secret(),
  text: secret(),
  credentials: secret(),
  chat: secret(),
};

/** Stores each secret. The delivery stays pending. */
export async function plant(backend: Backend): Promise<void> {
  const lease = await backend.sessions.acquire("alice");
  const hook = {
    url: `http://user:${planted.userinfo}@receiver.test/hook`,
    hmac: { key: planted.hmacKey },
    customHeaders: [{ name: "X-Token", value: planted.header }],
  };
  const proxy = { server: "proxy.test:1", password: planted.proxyPassword };
  const config = { proxy, webhooks: [hook], metadata: { owner: planted.metadata } };
  const message = { case: "message", value: create(MessagePayloadSchema, { body: planted.text }) } as const;
  await backend.sessions.commit(lease, {
    record: create(SessionRecordSchema, { name: "alice", config }),
    events: [{ event: { ...eventOf("alice"), payload: message }, endpointIds: ["one"] }],
    endpoints: [create(EndpointSchema, { id: "one", config: hook })],
  });
  await backend.engineData.credentials(lease).write(new Map([["creds", Buffer.from(planted.credentials)]]));
  await backend.engineData.chats(lease).write(new Map([["chat", Buffer.from(planted.chat)]]));
}

/** Asserts that all secrets can be read from a store. */
export async function assertPlanted(backend: Backend): Promise<void> {
  const { record } = await backend.sessions.get("alice");
  assert.equal(record?.config?.proxy?.password, planted.proxyPassword);
  const lease = await backend.sessions.acquire("alice");
  const [credentials] = await backend.engineData.credentials(lease).read(["creds"]);
  assert.equal(Buffer.from(credentials ?? []).toString(), planted.credentials);
  const [chat] = await backend.engineData.chats(lease).read(["chat"]);
  assert.equal(Buffer.from(chat ?? []).toString(), planted.chat);
  const [event] = await history(backend, "alice");
  assert.equal(event?.payload.case === "message" && event.payload.value.body, planted.text);
  const { endpoint } = await new Reader(backend.outbox.claims(new AbortController().signal)).next();
  assert.equal(endpoint.config?.hmac?.key, planted.hmacKey);
}
