import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { MessagePayload_Ack as Ack, EventSchema } from "../../gen/sessiond/v1/event_pb.js";
import {
  Engine_Kind,
  Session_StatusReason as Reason,
  Session_Status as Status,
} from "../../gen/sessiond/v1/session_pb.js";
import { webhookBody } from "../../src/domain/webhook-body.ts";

const environment = { version: "0.1.0", tier: "CORE", browser: null };
const atMs = 1_767_225_600_123;

const event = (init: MessageInitShape<typeof EventSchema>) =>
  create(EventSchema, {
    id: "evt_01",
    time: timestampFromMs(atMs),
    name: "session.status",
    session: "default",
    engine: Engine_Kind.NOWEB,
    ...init,
  });
const status = (now: Status, statusReason = Reason.STATUS_REASON_UNSPECIFIED) =>
  ({ case: "sessionStatus", value: { name: "default", status: now, statusReason } }) as const;
const textOf = (init: MessageInitShape<typeof EventSchema>) =>
  new TextDecoder().decode(webhookBody(event(init), environment));
const payloadOf = (init: MessageInitShape<typeof EventSchema>) => JSON.parse(textOf(init)).payload;

const ackNames = [
  [Ack.ERROR, "ERROR"],
  [Ack.PENDING, "PENDING"],
  [Ack.SERVER, "SERVER"],
  [Ack.DEVICE, "DEVICE"],
  [Ack.READ, "READ"],
  [Ack.PLAYED, "PLAYED"],
] as const;

describe("the body of a webhook", () => {
  it("has the keys of session.status in the order of wire.md", () => {
    assert.equal(
      textOf({
        metadata: { "user.id": "123" },
        me: { id: "11111111111@c.us", pushName: "Ann" },
        payload: {
          case: "sessionStatus",
          value: {
            name: "default",
            status: Status.WORKING,
            statuses: [
              { status: Status.STARTING, time: timestampFromMs(atMs - 1000) },
              { status: Status.WORKING, time: timestampFromMs(atMs) },
            ],
          },
        },
      }),
      '{"id":"evt_01","timestamp":1767225600123,"event":"session.status","session":"default","metadata":{"user.id":"123"},' +
        '"me":{"id":"11111111111@c.us","pushName":"Ann"},"payload":{"name":"default","status":"WORKING","statuses":[' +
        '{"status":"STARTING","timestamp":1767225599123},{"status":"WORKING","timestamp":1767225600123}]},"engine":"NOWEB",' +
        '"environment":{"version":"0.1.0","engine":"NOWEB","tier":"CORE","browser":null}}',
    );
  });

  it("leaves empty metadata out and has null for a missing account", () => {
    const body = JSON.parse(textOf({ payload: status(Status.STARTING) }));
    assert.deepEqual(Object.keys(body), [
      "id",
      "timestamp",
      "event",
      "session",
      "me",
      "payload",
      "engine",
      "environment",
    ]);
    assert.equal(body.me, null);
  });

  it("has a reason only for FAILED", () => {
    assert.equal(payloadOf({ payload: status(Status.FAILED, Reason.LOGGED_OUT) }).statusReason, "LOGGED_OUT");
    assert.ok(!("statusReason" in payloadOf({ payload: status(Status.STARTING, Reason.UNREACHABLE) })));
  });

  it("names the other engine and its browser", () => {
    const body = JSON.parse(
      new TextDecoder().decode(
        webhookBody(event({ engine: Engine_Kind.WEBJS }), {
          version: "0.1.0",
          tier: "PLUS",
          browser: "/usr/bin/chromium",
        }),
      ),
    );
    assert.equal(body.engine, "WEBJS");
    assert.deepEqual(body.environment, {
      version: "0.1.0",
      engine: "WEBJS",
      tier: "PLUS",
      browser: "/usr/bin/chromium",
    });
  });

  it("names no browser for an engine without one", () => {
    const bytes = webhookBody(event({}), { ...environment, browser: "/usr/bin/chromium" });
    assert.equal(JSON.parse(new TextDecoder().decode(bytes)).environment.browser, null);
  });

  it("has the keys of a message in the order of wire.md", () => {
    const payload: MessageInitShape<typeof EventSchema>["payload"] = {
      case: "message",
      value: {
        id: "false_12036@g.us_3EB0",
        timestamp: 1_767_225_600,
        from: "12036@g.us",
        fromMe: false,
        to: "22222222222@c.us",
        participant: "11111111111@c.us",
        body: "hello",
        hasMedia: true,
        ack: Ack.DEVICE,
        vCards: ["BEGIN:VCARD"],
        replyTo: { id: "3EAF", participant: "22222222222@c.us", body: "hi" },
        data: { key: { id: "3EB0" } },
      },
    };
    assert.equal(
      JSON.stringify(payloadOf({ name: "message", payload })),
      '{"id":"false_12036@g.us_3EB0","timestamp":1767225600,"from":"12036@g.us","fromMe":false,"source":"app","to":"22222222222@c.us",' +
        '"participant":"11111111111@c.us","author":"11111111111@c.us","body":"hello","hasMedia":true,"media":null,"mediaUrl":null,' +
        '"ack":2,"ackName":"DEVICE","vCards":["BEGIN:VCARD"],"location":null,' +
        '"replyTo":{"id":"3EAF","participant":"22222222222@c.us","body":"hi","hasMedia":false,"media":null},"_data":{"key":{"id":"3EB0"}}}',
    );
  });

  it("has known LIDs beside the ids they belong to", () => {
    const value = {
      from: "11111111111@c.us",
      fromLid: "1@lid",
      to: "22222222222@c.us",
      toLid: "2@lid",
      participant: "33333333333@c.us",
      participantLid: "3@lid",
      replyTo: {
        ...{ id: "3EAF", participant: "44444444444@c.us", participantLid: "4@lid", body: "hi", hasMedia: true },
        media: { url: "http://localhost/x", mimetype: "image/png", filename: "x.png" },
      },
    };
    const { from, fromLid, to, toLid, participant, participantLid, replyTo } = payloadOf({
      payload: { case: "message", value },
    });
    assert.deepEqual({ from, fromLid, to, toLid, participant, participantLid, replyTo }, value);
  });

  it("has the URL of its file under both of WAHA's names, and the place it shows", () => {
    const location = { latitude: 52.5, longitude: -13.4, description: "Cafe\nMain Street 1" };
    const media = { url: "http://localhost/x", mimetype: "image/png", filename: null };
    const value = { id: "false_1@c.us_3EB0", location, media: { url: media.url, mimetype: media.mimetype } };
    const payload = payloadOf({ payload: { case: "message", value } });
    assert.deepEqual([payload.media, payload.mediaUrl, payload.location], [media, media.url, location]);
    assert.equal("author" in payload, false);
  });

  it("has null for a missing author and a missing answered message", () => {
    const payload = payloadOf({ payload: { case: "message", value: { id: "true_1@c.us_3EB0", fromMe: true } } });
    assert.equal(payload.participant, null);
    assert.equal(payload.replyTo, null);
    assert.deepEqual(payload.vCards, []);
    assert.deepEqual(payload._data, {});
  });

  for (const [ack, name] of ackNames) {
    it(`names the acknowledgement ${ack} ${name}`, () => {
      const payload = payloadOf({ payload: { case: "message", value: { ack } } });
      assert.deepEqual([payload.ack, payload.ackName], [ack, name]);
    });
  }

  it("treats metadata keys with a meaning in JavaScript as plain keys", () => {
    const metadata = JSON.parse('{"__proto__":"a","constructor":"b","toString":"c"}');
    assert.match(textOf({ metadata }), /"metadata":\{"__proto__":"a","constructor":"b","toString":"c"\}/);
  });

  it("has the same bytes for a fresh and a stored event", () => {
    const metadata = JSON.parse('{"__proto__":"a","b":"ü\\u2028","10":"x","9":"y"}');
    const data = JSON.parse('{"__proto__":{"z":1},"b":[1.5,null,"\\ud83d\\ude00"],"2":true,"1":1e21}');
    const first = event({ metadata, payload: { case: "message", value: { data } } });
    const again = fromBinary(EventSchema, toBinary(EventSchema, first));
    assert.deepEqual(webhookBody(again, environment), webhookBody(first, environment));
    assert.deepEqual(webhookBody(first, environment), webhookBody(first, environment));
  });
});
