import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape, toJson } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { SessionRecord_Phase as Phase, SessionRecordSchema } from "../../../gen/sessiond/store/v1/store_pb.js";
import { type QrStreamResponse, QrStreamResponse_OutcomeSchema } from "../../../gen/sessiond/v1/auth_service_pb.js";
import { Session_StatusReason as Reason } from "../../../gen/sessiond/v1/session_pb.js";
import { qrItems, qrStream, type Seen } from "../../../src/api/streams/qr-stream.ts";
import { SessionError } from "../../../src/domain/errors.ts";
import type { Pairing, Snapshot } from "../../../src/ports/sessions.ts";
import { FakeClock } from "../../support/fake-clock.ts";

type Record = MessageInitShape<typeof SessionRecordSchema>;
type Moment = Pick<Snapshot, "record" | "pairing">;

const me = { id: "7911@c.us", pushName: "Alice" };
const code = (value: string, more: Partial<Pairing> = {}): Pairing => ({
  value,
  serial: 1,
  remaining: 5,
  issuedAtMs: 1_000,
  expiresAtMs: 61_000,
  ...more,
});
const at = (phase: Phase, more: Record = {}, pairing?: Pairing): Moment => ({
  record: create(SessionRecordSchema, { name: "alice", phase, revision: 2, ...more }),
  pairing,
});
const gone: Moment = { record: undefined, pairing: undefined };
const scan = (value: string, more: Partial<Pairing> = {}) => at(Phase.PAIRING, {}, code(value, more));
const starting = at(Phase.CONNECTING);

/** Lists in short the messages that these snapshots lead to. */
function told(...moments: Moment[]): string[] {
  let seen: Seen | undefined;
  return moments.flatMap((moment) => {
    const next = qrItems("alice", seen, moment);
    seen = next.seen;
    return next.items.map((item) => {
      if (item.case === "qr") return `qr ${item.value.value}`;
      if (item.case === "pairingCode") return `code ${item.value}`;
      const { result = "", ...rest } = toOutcome(item.value);
      return [String(result).replace("RESULT_", ""), ...Object.values(rest).map((value) => JSON.stringify(value))].join(
        " ",
      );
    });
  });
}

function toOutcome(outcome: Parameters<typeof toJson<typeof QrStreamResponse_OutcomeSchema>>[1]) {
  const json = toJson(QrStreamResponse_OutcomeSchema, outcome);
  assert.ok(typeof json === "object" && json !== null && !Array.isArray(json));
  return json;
}

describe("the messages for a snapshot", () => {
  const failed = (reason: Reason) => at(Phase.FAILED, { reason });
  const account = JSON.stringify(me);
  const table: [name: string, moments: Moment[], told: string[]][] = [
    ["the current code comes first", [scan("a")], ["qr a"]],
    ["STARTING is waited for", [starting, starting, scan("a")], ["qr a"]],
    ["a session that waits for a scan and has no code yet is waited for", [at(Phase.PAIRING), scan("a")], ["qr a"]],
    [
      "each code comes once",
      [scan("a"), scan("a"), scan("b", { serial: 2 }), scan("b", { serial: 2 })],
      ["qr a", "qr b"],
    ],
    [
      "a pairing code comes once, also when it was there before, and again when it is another",
      [scan("a", { code: "A-B" }), scan("b", { code: "A-B" }), scan("c"), scan("d", { code: "C-D" })],
      ["qr a", "code A-B", "qr b", "qr c", "qr d", "code C-D"],
    ],
    ["codes of a reconnected engine count as new", [scan("a"), at(Phase.BACKING_OFF), scan("x")], ["qr a", "qr x"]],
    [
      "it is PAIRED as soon as the account is known",
      [scan("a"), at(Phase.CONNECTING, { me })],
      ["qr a", `PAIRED ${account}`],
    ],
    ["a session that works is PAIRED at once", [at(Phase.WORKING, { me })], [`PAIRED ${account}`]],
    ["a paired one that reconnects is PAIRED at once", [at(Phase.BACKING_OFF, { me })], [`PAIRED ${account}`]],
    ["a former account means nothing while codes are offered", [at(Phase.PAIRING, { me }, code("a"))], ["qr a"]],
    ["a login that is proven dead is none", [at(Phase.CONNECTING, { me, credentialsDead: true })], []],
    ["one that is being logged out is waited for", [at(Phase.LOGGING_OUT, { me }), scan("a")], ["qr a"]],
    ["nobody scanned: TIMED_OUT", [scan("a"), failed(Reason.PAIRING_TIMEOUT)], ["qr a", 'TIMED_OUT "PAIRING_TIMEOUT"']],
    ["another failure has its reason", [starting, failed(Reason.CLIENT_OUTDATED)], ['FAILED "CLIENT_OUTDATED"']],
    ["a session that has failed before ends at once", [failed(Reason.LOGGED_OUT)], ['FAILED "LOGGED_OUT"']],
    ["stopped meanwhile: CANCELLED", [scan("a"), at(Phase.STOPPED, { revision: 3 })], ["qr a", "CANCELLED"]],
    ["deleted meanwhile: CANCELLED", [scan("a"), gone], ["qr a", "CANCELLED"]],
    ["being deleted: CANCELLED", [starting, at(Phase.DELETING, { revision: 3 })], ["CANCELLED"]],
    [
      "restarted or logged out meanwhile: CANCELLED",
      [scan("a"), at(Phase.CONNECTING, { revision: 3 })],
      ["qr a", "CANCELLED"],
    ],
    [
      "deleted and created again, unseen: CANCELLED",
      [scan("a"), at(Phase.PAIRING, { createdAt: timestampFromMs(9) }, code("x"))],
      ["qr a", "CANCELLED"],
    ],
  ];
  for (const [name, moments, expected] of table) it(name, () => assert.deepEqual(told(...moments), expected));

  it("refuse a session that is missing or stopped at the beginning, as for the QR", () => {
    for (const moment of [gone, at(Phase.STOPPED), at(Phase.DELETING)]) {
      assert.throws(
        () => qrItems("alice", undefined, moment),
        (error) => error instanceof SessionError && error.reason === "SESSION_NOT_STARTED",
      );
    }
  });
});

describe("the stream of codes", () => {
  async function read(moments: Moment[], signal = new AbortController().signal) {
    const items: QrStreamResponse["item"][] = [];
    let closed = false;
    const watch = async function* (): AsyncIterable<Snapshot> {
      try {
        for (const moment of moments) yield { ...moment, seq: 1n };
      } finally {
        closed = true;
      }
    };
    const draw = async (value: string) => new TextEncoder().encode(`drawn ${value}`);
    const end = await (async () => {
      for await (const { item } of qrStream(
        { watch },
        { session: "alice", afterSeq: 0n },
        { drawQr: draw, clock: new FakeClock() },
        signal,
      ))
        items.push(item);
    })().catch((error: unknown) => error);
    assert.ok(closed);
    return { items, end };
  }

  it("has the drawn code with its times and number, and ends with the outcome", async () => {
    const { items, end } = await read([scan("a", { serial: 2, remaining: 4 }), at(Phase.WORKING, { me }), scan("b")]);
    assert.equal(end, undefined);
    assert.deepEqual(
      items.map((item) => item.case),
      ["qr", "outcome"],
    );
    const qr = items[0]?.case === "qr" ? items[0].value : undefined;
    assert.equal(new TextDecoder().decode(qr?.png), "drawn a");
    assert.deepEqual([qr?.value, qr?.serial, qr?.remaining], ["a", 2, 4]);
    assert.deepEqual([qr?.issuedAt?.seconds, qr?.expiresAt?.seconds], [1n, 61n]);
  });

  it("ends with SHUTTING_DOWN when the server ends its source, else with the caller's reason", async () => {
    const { end } = await read([scan("a")]);
    assert.ok(end instanceof SessionError && end.reason === "SHUTTING_DOWN");
    assert.equal((await read([scan("a")], AbortSignal.abort("left"))).end, "left");
  });
});
