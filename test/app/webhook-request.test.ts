import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { describe, it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { EventSchema } from "../../gen/sessiond/v1/event_pb.js";
import { WebhookConfigSchema } from "../../gen/sessiond/v1/session_pb.js";
import { nodeSigner } from "../../src/adapters/node/signer.ts";
import { webhookRequest } from "../../src/app/webhook-request.ts";
import { webhookBody } from "../../src/domain/webhook-body.ts";

const environment = { version: "9.8.7", tier: "PLUS", browser: null };
const nowMs = 1_767_225_600_987;
const event = create(EventSchema, { id: "evt_1", name: "session.status", session: "default" });

const request = (init: MessageInitShape<typeof WebhookConfigSchema>) => {
  const config = create(WebhookConfigSchema, { url: "http://a.test/hook?x=1", ...init });
  return webhookRequest({ id: "dlv_1", event, config, nowMs, trusted: false }, { environment, signer: nodeSigner });
};

/** Computes the signature as a receiver would. */
const standardSignature = (key: Buffer | string, body: Uint8Array) =>
  `v1,${createHmac("sha256", key).update("dlv_1.1767225600.").update(body).digest("base64")}`;

describe("the request of a webhook", () => {
  it("posts the body of the event to the URL, within 30 seconds", () => {
    const made = request({});
    assert.equal(made.url, "http://a.test/hook?x=1");
    assert.deepEqual(made.body, webhookBody(event, environment));
    assert.equal(made.timeoutMs, 30_000);
  });

  it("has only the headers of every webhook if there is no key", () => {
    assert.deepEqual(request({}).headers, {
      "Content-Type": "application/json",
      "User-Agent": "sessiond/9.8.7",
      "X-Webhook-Request-Id": "dlv_1",
      "X-Webhook-Timestamp": "1767225600987",
    });
  });

  it("is signed as WAHA signs", () => {
    const { headers, body } = request({ hmac: { key: "schlüssel" } });
    assert.equal(headers["X-Webhook-Hmac-Algorithm"], "sha512");
    assert.equal(headers["X-Webhook-Hmac"], createHmac("sha512", "schlüssel").update(body).digest("hex"));
  });

  it("is signed as Standard Webhooks signs, with the plain key", () => {
    const { headers, body } = request({ hmac: { key: "my-secret-key" } });
    assert.equal(headers["webhook-id"], "dlv_1");
    assert.equal(headers["webhook-timestamp"], "1767225600");
    assert.equal(headers["webhook-signature"], standardSignature("my-secret-key", body));
  });

  it("is signed with the decoded bytes of a whsec_ key", () => {
    const secret = Buffer.from("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "base64");
    const { headers, body } = request({ hmac: { key: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" } });
    assert.equal(headers["webhook-signature"], standardSignature(secret, body));
    assert.equal(
      headers["X-Webhook-Hmac"],
      createHmac("sha512", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").update(body).digest("hex"),
    );
  });

  it("is signed with the plain text of a whsec_ key that is not base64", () => {
    const { headers, body } = request({ hmac: { key: "whsec_not base64!" } });
    assert.equal(headers["webhook-signature"], standardSignature("whsec_not base64!", body));
  });

  it("has the custom headers, repeated names as a list", () => {
    const { headers } = request({
      customHeaders: [
        { name: "X-Tenant", value: "a" },
        { name: "Authorization", value: "Bearer t" },
        { name: "x-tenant", value: "b" },
        { name: "__proto__", value: "plain" },
      ],
    });
    assert.equal(headers["X-Tenant"], "a, b");
    assert.equal(headers.Authorization, "Bearer t");
    assert.equal(Object.getOwnPropertyDescriptor(headers, "__proto__")?.value, "plain");
  });

  it("has its own headers whatever the custom ones are", () => {
    const { headers } = request({
      hmac: { key: "k" },
      customHeaders: ["content-type", "USER-AGENT", "x-webhook-hmac", "Webhook-Signature", "Webhook-Id"].map(
        (name) => ({
          name,
          value: "forged",
        }),
      ),
    });
    assert.ok(!Object.values(headers).includes("forged"));
    assert.equal(new Set(Object.keys(headers).map((name) => name.toLowerCase())).size, Object.keys(headers).length);
  });
});
