import assert from "node:assert/strict";
import { it } from "node:test";
import { create, createRegistry, type DescMessage, type JsonObject, toJson } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { EventSchema } from "../../../gen/sessiond/v1/event_pb.js";
import { WebhookConfigSchema } from "../../../gen/sessiond/v1/session_pb.js";
import { CreateSessionRequestSchema } from "../../../gen/sessiond/v1/session_service_pb.js";
import { type ReadContext, readJsonObject } from "../../../src/http/rest/json-read.ts";
import { parseParameters, readQuery } from "../../../src/http/rest/query.ts";
import { Violations } from "../../../src/http/rest/violations.ts";

function strictContext(): ReadContext {
  return { strict: true, violations: new Violations(), ignored: [], registry: createRegistry(EventSchema), depth: 0 };
}

/** Returns the message read from a query, or its violations. */
function read(desc: DescMessage, query: string) {
  const message = create(desc);
  const context = strictContext();
  readQuery(reflect(desc, message), parseParameters(query, "query"), (field) => field.name === "id", context);
  return context.violations.isEmpty ? toJson(desc, message) : context.violations.messages();
}

const cases: [desc: DescMessage, query: string, result: unknown][] = [
  [
    CreateSessionRequestSchema,
    "config.debug=True&config.noweb.store.fullSync=1",
    { config: { debug: true, noweb: { store: { fullSync: true } } } },
  ],
  [CreateSessionRequestSchema, "config.noweb.store.full_sync=0", { config: { noweb: { store: { fullSync: false } } } }],
  [
    CreateSessionRequestSchema,
    "config.metadata.a.b=c&config.metadata.a.=d",
    { config: { metadata: { "a.b": "c", "a.": "d" } } },
  ],
  [CreateSessionRequestSchema, "engine=WEBJS", { engine: "WEBJS" }],
  [CreateSessionRequestSchema, "engine=1", { engine: "NOWEB" }],
  [CreateSessionRequestSchema, "engine=9", ["engine must be one of the following values: NOWEB, WEBJS"]],
  [CreateSessionRequestSchema, "name=a&name=b", { name: "b" }],
  [CreateSessionRequestSchema, "config=x", ["property config should not exist"]],
  [
    CreateSessionRequestSchema,
    "config.x=1&config.debug.x=1",
    ["property config.x should not exist", "property config.debug.x should not exist"],
  ],
  [
    CreateSessionRequestSchema,
    "config.webhooks.url=u&config.webhooks=u",
    ["property config.webhooks.url should not exist", "property config.webhooks should not exist"],
  ],
  [CreateSessionRequestSchema, "config.metadata=x", ["property config.metadata should not exist"]],
  [WebhookConfigSchema, "events=a&events=b%2Cc", { events: ["a", "b,c"] }],
  [
    WebhookConfigSchema,
    "retries.attempts=3&retries.delaySeconds=-1.5e1",
    { retries: { attempts: 3, delaySeconds: -15 } },
  ],
  [
    WebhookConfigSchema,
    "retries.attempts=&retries.delaySeconds=x",
    ["retries.attempts must be an integer number", "retries.delaySeconds must be a number"],
  ],
  [
    EventSchema,
    "seq=18446744073709551615&time=2026-01-02T03:04:05.678Z",
    { seq: "18446744073709551615", time: "2026-01-02T03:04:05.678Z" },
  ],
  [EventSchema, "seq=18446744073709551616", ["seq must not be greater than 18446744073709551615"]],
  [EventSchema, "time=yesterday", ["time must be a valid ISO 8601 date string"]],
  [EventSchema, "id=1&name=n", { name: "n" }],
];

for (const [desc, query, result] of cases) {
  it(`${query} is read as ${JSON.stringify(result)}`, () => assert.deepEqual(read(desc, query), result));
}

it("a query that sets nothing creates no empty messages", () => {
  const message = create(CreateSessionRequestSchema);
  const context = { ...strictContext(), strict: false };
  readQuery(
    reflect(CreateSessionRequestSchema, message),
    parseParameters("config.nope=1", "query"),
    () => false,
    context,
  );
  assert.equal(message.config, undefined);
});

it("only one member of a oneof is accepted, and well-known types are read", () => {
  const event = create(EventSchema);
  const context = strictContext();
  const json: JsonObject = {
    message: { _data: { a: [null, 1] }, timestamp: 5 },
    sessionStatus: { name: "x" },
    time: 5,
  };
  readJsonObject(reflect(EventSchema, event), json, "", context);
  assert.deepEqual(toJson(EventSchema, event), { message: { timestamp: 5, _data: { a: [null, 1] } } });
  assert.deepEqual(context.violations.messages(), [
    "sessionStatus must not be set together with message",
    "time must be a valid ISO 8601 date string",
  ]);
});
