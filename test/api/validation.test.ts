import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, fromJson, type Message } from "@bufbuild/protobuf";
import * as auth from "../../gen/sessiond/v1/auth_service_pb.js";
import { ServerService } from "../../gen/sessiond/v1/server_service_pb.js";
import * as session from "../../gen/sessiond/v1/session_service_pb.js";
import { hasRule, violationsOf } from "../../src/api/validation.ts";

const told = (message: Message) => violationsOf(message).map(({ field, description }) => `${field} ${description}`);
const badName = "should not be empty";
const badUrl = { webhooks: [{ url: "nope" }] };

describe("the rules of requests", () => {
  it("exist for every request that has fields", () => {
    const methods = [session.SessionService, auth.AuthService, ServerService].flatMap((service) => service.methods);
    const unchecked = methods.filter(({ input }) => input.fields.length > 0 && !hasRule(input));
    assert.deepEqual(
      unchecked.map(({ name }) => name),
      [],
    );
  });

  it("require a valid name for a call on one session", () => {
    const schemas = [
      session.GetSessionRequestSchema,
      session.UpdateSessionRequestSchema,
      session.DeleteSessionRequestSchema,
      session.StartSessionRequestSchema,
      session.StopSessionRequestSchema,
      session.RestartSessionRequestSchema,
      session.LogoutSessionRequestSchema,
      session.GetMeRequestSchema,
      auth.GetQrRequestSchema,
      auth.GetQrBodyRequestSchema,
      auth.QrStreamRequestSchema,
    ] as const;
    for (const schema of schemas) {
      assert.deepEqual(told(create(schema)), [`session ${badName}`], schema.name);
      assert.equal(told(create(schema, { session: ".." })).length, 1, schema.name);
      assert.deepEqual(told(create(schema, { session: "default" })), [], schema.name);
    }
  });

  it("accept a missing name with a default, but not a wrong one", () => {
    for (const schema of [session.GetScreenshotRequestSchema, session.StatusStreamRequestSchema] as const) {
      assert.deepEqual(told(create(schema)), []);
      assert.equal(told(create(schema, { session: "a/b" })).length, 1);
    }
    const deprecated = [
      session.CreateSessionRequestSchema,
      session.StartSessionDeprecatedRequestSchema,
      session.StopSessionDeprecatedRequestSchema,
      session.LogoutSessionDeprecatedRequestSchema,
    ] as const;
    for (const schema of deprecated) {
      assert.deepEqual(told(create(schema)), []);
      assert.deepEqual(told(create(schema, { name: "stop" })), ["name must not be one of start, stop, logout"]);
    }
  });

  it("report all violations at once", () => {
    assert.deepEqual(told(fromJson(session.CreateSessionRequestSchema, { name: "..", engine: 9, config: badUrl })), [
      'name must not be "." or ".."',
      "config.webhooks.0.url must be a URL address",
      "engine must be one of the following values: NOWEB, WEBJS",
    ]);
    assert.deepEqual(told(create(session.UpdateSessionRequestSchema, { config: badUrl, name: "a/b" })), [
      `session ${badName}`,
      "config.webhooks.0.url must be a URL address",
    ]);
    assert.deepEqual(told(create(session.StartSessionDeprecatedRequestSchema, { config: badUrl })), [
      "config.webhooks.0.url must be a URL address",
    ]);
    assert.deepEqual(told(create(auth.RequestCodeRequestSchema, { phoneNumber: "12" })), [
      `session ${badName}`,
      "phoneNumber must be a phone number of 7 to 15 digits in international format",
    ]);
    assert.deepEqual(told(create(auth.AuthorizeCodeRequestSchema)), [`session ${badName}`, "code should not be empty"]);
  });

  it("accept image and raw as QR formats", () => {
    const format = (format: string) => told(create(auth.GetQrBodyRequestSchema, { session: "default", format }));
    for (const known of ["", "image", "raw"]) assert.deepEqual(format(known), []);
    assert.deepEqual(format("png"), ["format must be one of the following values: image, raw"]);
  });
});
