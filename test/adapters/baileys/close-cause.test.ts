import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { closedBy, upgradeRefusedBy } from "../../../src/adapters/baileys/close-cause.ts";

const nowMs = 1_767_225_600_000;
const failure = (error: unknown) => `no connection: ${error}`;
const client = { version: "2.3000.7", remedy: "upgrade" };
const circumstances = { connected: true, nowMs, wallMs: nowMs, failure, client };

/** Makes an error like Baileys'. */
const boom = (statusCode: number, message: string, data?: unknown) =>
  Object.assign(new Error(message), { isBoom: true, output: { statusCode }, data });

describe("why a NOWEB engine closes", () => {
  it("tells the end of the codes from a lost connection, which has the same status", () => {
    assert.equal(closedBy(boom(408, "QR refs attempts ended"), circumstances).cause, "pairing_timeout");
    assert.equal(closedBy(boom(408, "Connection was lost"), circumstances).cause, "unreachable");
  });

  it("calls a handshake that fails unreachable, and a bad stanza later a bad session", () => {
    const connecting = { ...circumstances, connected: false };
    assert.equal(closedBy(boom(400, "invalid noise leaf certificate"), connecting).cause, "unreachable");
    assert.equal(closedBy(new Error("unable to authenticate data"), connecting).cause, "unreachable");
    assert.equal(closedBy(boom(400, "Connection Failure"), connecting).cause, "bad_session");
    assert.equal(closedBy(boom(500, "Invalid account signature"), circumstances).cause, "bad_session");
  });

  it("maps an error that is not the connection's to a crash", () => {
    assert.equal(closedBy(new TypeError("x is not a function"), circumstances).cause, "engine_crashed");
  });

  it("reads the end of a ban as a number of seconds or as a date", () => {
    const banned = (expire: string) => closedBy(boom(402, "Connection Failure", { expire }), circumstances).untilMs;
    assert.equal(banned("60"), nowMs + 60_000);
    assert.equal(banned("1767229200"), 1_767_229_200_000);
    const setBack = { ...circumstances, wallMs: nowMs - 7_200_000 };
    const error = boom(402, "Connection Failure", { expire: "1767229200" });
    assert.equal(closedBy(error, setBack).untilMs, 1_767_229_200_000 + 7_200_000, "as far ahead as its date is then");
    for (const nonsense of ["", "soon", "-1"]) assert.equal(banned(nonsense), undefined);
  });

  it("leaves a connection that did not come about to the route, which knows more", () => {
    const { cause, message } = closedBy(boom(408, "WebSocket Error (…)", "refused"), circumstances);
    assert.deepEqual([cause, message], ["unreachable", "no connection: refused"]);
  });

  it("names the client version that WhatsApp refuses, and the remedy", () => {
    const message = "WhatsApp no longer accepts client version 2.3000.7: upgrade";
    const expected = { cause: "client_outdated", message, clientVersion: "2.3000.7" };
    for (const text of ["Connection Failure", "Stream Errored (405)"]) {
      assert.deepEqual(closedBy(boom(405, text), circumstances), expected);
    }
  });

  it("tells an upgrade that comes too often from one that is refused", () => {
    assert.equal(upgradeRefusedBy(429).cause, "rate_limited");
    assert.equal(upgradeRefusedBy(503).cause, "unreachable");
  });
});
