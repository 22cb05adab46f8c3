import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  create,
  createRegistry,
  type DescField,
  type DescMessage,
  type JsonValue,
  type Registry,
  ScalarType,
  toJson,
} from "@bufbuild/protobuf";
import { hasCustomJsonRepresentation, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { MessagePayloadSchema } from "../../../gen/sessiond/v1/event_pb.js";
import { type Session, SessionConfigSchema, SessionSchema } from "../../../gen/sessiond/v1/session_pb.js";
import { ListSessionsResponseSchema } from "../../../gen/sessiond/v1/session_service_pb.js";
import { deepFreeze } from "../../../src/domain/deep-freeze.ts";
import { createJsonWriters } from "../../../src/http/rest/json-write.ts";
import { type Dialect, resolveDialect } from "../../../src/http/rest/resolve-dialect.ts";
import { restServices } from "../../../src/server/api.ts";
import { everyKind } from "./every-kind.ts";
import { randomFrom, randomMessage } from "./random-message.ts";

// The reference: protobuf's own toJson, whose tree is dressed by the dialect's rules.

interface Rules {
  readonly registry: Registry;
  readonly dialect: Dialect;
}

const isObject = (json: JsonValue | undefined): json is { [key: string]: JsonValue } =>
  typeof json === "object" && json !== null && !Array.isArray(json);

function expectedField(field: DescField, json: JsonValue, dialect: Dialect): string {
  const value = isObject(json) && Object.hasOwn(json, field.jsonName) ? json[field.jsonName] : undefined;
  if (value !== undefined) return JSON.stringify(dressField(field, value, dialect));
  return JSON.stringify(field.fieldKind === "message" ? null : defaultJson(field, dialect));
}

function dress(desc: DescMessage, json: JsonValue, dialect: Dialect): JsonValue {
  if (!isObject(json) || hasCustomJsonRepresentation(desc)) return json;
  const entries: [string, JsonValue][] = [];
  for (const field of desc.fields.toSorted((a, b) => a.number - b.number)) {
    const value = Object.hasOwn(json, field.jsonName) ? json[field.jsonName] : undefined;
    if (value !== undefined) entries.push([field.jsonName, dressField(field, value, dialect)]);
    else if (dialect.nullWhenUnset.has(field)) entries.push([field.jsonName, null]);
    else if (dialect.shownWhenDefault.has(field)) entries.push([field.jsonName, defaultJson(field, dialect)]);
  }
  return Object.fromEntries(entries);
}

function dressField(field: DescField, json: JsonValue, dialect: Dialect): JsonValue {
  const { message } = field;
  if (message === undefined) return json;
  if (field.fieldKind === "list" && Array.isArray(json)) return json.map((item) => dress(message, item, dialect));
  if (field.fieldKind === "map" && isObject(json)) {
    return Object.fromEntries(Object.entries(json).map(([key, item]) => [key, dress(message, item, dialect)]));
  }
  return dress(message, json, dialect);
}

const longs = [ScalarType.INT64, ScalarType.UINT64, ScalarType.SINT64, ScalarType.FIXED64, ScalarType.SFIXED64];

function defaultJson(field: DescField, dialect: Dialect): JsonValue {
  if (field.fieldKind === "list") return [];
  if (field.fieldKind === "map") return {};
  if (field.fieldKind === "message") return dress(field.message, {}, dialect);
  if (field.fieldKind === "enum") return field.enum.values[0]?.name ?? 0;
  if ([ScalarType.STRING, ScalarType.BYTES].includes(field.scalar)) return "";
  if (field.scalar === ScalarType.BOOL) return false;
  return longs.includes(field.scalar) ? "0" : 0;
}

const seed = Number(process.env.TEST_SEED ?? Date.now() % 1_000_000);

/** Compares both ways to write random messages of a type, and each of their fields. */
function compare(desc: DescMessage, { registry, dialect }: Rules, count: number, maxDepth = 4): void {
  const random = randomFrom(seed);
  const writers = createJsonWriters({ registry, dialect });
  const fields = hasCustomJsonRepresentation(desc) ? [] : desc.fields;
  for (let index = 0; index < count; index += 1) {
    const message = randomMessage(desc, random, maxDepth);
    const json = toJson(desc, message, { registry });
    const note = `TEST_SEED=${seed}, message ${index}`;
    assert.equal(writers.ofMessage(desc)(message), JSON.stringify(dress(desc, json, dialect)), note);
    for (const field of fields) {
      assert.equal(writers.ofField(field)(message), expectedField(field, json, dialect), `${note}, ${field}`);
    }
  }
}

describe("the JSON of answers", () => {
  const outputs = new Set(restServices.flatMap(({ methods }) => methods.map(({ output }) => output)));
  const api = {
    registry: createRegistry(...restServices.map(({ file }) => file), TimestampSchema),
    dialect: resolveDialect(restServices),
  };
  const { every, legacy } = everyKind();
  const registry = createRegistry(every, legacy, TimestampSchema);
  const none = { ...api.dialect, nullWhenUnset: new Set<DescField>(), shownWhenDefault: new Set<DescField>() };

  for (const desc of outputs) {
    it(`random ${desc.typeName} are written as by toJson and the dialect`, () => compare(desc, api, 40));
  }

  it("each kind of field is written as by toJson", () => compare(every, { registry, dialect: none }, 20, 2));

  it("each kind of field is shown as null or with its default when it is unset", () => {
    const isNull = (field: DescField) => field.number % 2 === 0;
    const dialect = {
      ...none,
      nullWhenUnset: new Set(every.fields.filter(isNull)),
      shownWhenDefault: new Set(every.fields.filter((field) => !isNull(field) && field.message !== every)),
    };
    compare(every, { registry, dialect }, 20, 2);
  });

  it("fields of proto2 are written without their defaults", () => compare(legacy, { registry, dialect: none }, 20));

  it("an unset required field is refused", () => {
    const write = createJsonWriters({ registry, dialect: none }).ofMessage(legacy);
    assert.throws(() => write(create(legacy)), /required/);
  });

  it("an answer that is a well-known type is written as by toJson", () =>
    compare(TimestampSchema, { registry, dialect: none }, 20));

  for (const [seconds, nanos, text] of [
    [0n, 0, "1970-01-01T00:00:00Z"],
    [86_399n, 7_000_000, "1970-01-01T23:59:59.007Z"],
    [86_400n, 1, "1970-01-02T00:00:00.000000001Z"],
    [1_709_210_096n, 120_000_000, "2024-02-29T12:34:56.120Z"],
    [1_709_210_096n, 120_000, "2024-02-29T12:34:56.000120Z"],
    [-1n, 999_000_000, "1969-12-31T23:59:59.999Z"],
    [-62_135_596_800n, 0, "0001-01-01T00:00:00Z"],
    [253_402_300_799n, 0, "9999-12-31T23:59:59Z"],
  ] as const) {
    it(`a time is written as ${text}`, () => {
      const write = createJsonWriters(api).ofMessage(SessionSchema);
      const message = create(SessionSchema, { createdAt: { seconds, nanos } });
      assert.equal(JSON.parse(write(message)).createdAt, text);
      assert.deepEqual(toJson(TimestampSchema, create(TimestampSchema, { seconds, nanos })), text);
    });
  }

  for (const [seconds, nanos] of [
    [-62_135_596_801n, 0],
    [253_402_300_800n, 0],
    [0n, -1],
    [0n, 1_000_000_000],
  ] as const) {
    it(`a time of ${seconds} s and ${nanos} ns is refused`, () => {
      const write = createJsonWriters(api).ofMessage(SessionSchema);
      assert.throws(() => write(create(SessionSchema, { createdAt: { seconds, nanos } })), /Timestamp/);
    });
  }

  it("scalars and enum values that toJson refuses are refused", () => {
    const write = createJsonWriters({ registry, dialect: none }).ofMessage(every);
    for (const field of every.fields.filter(({ oneof, message }) => oneof === undefined && message === undefined)) {
      for (const value of [7n, "x", 1.5, true, {}, new Uint8Array(2), null, undefined]) {
        const held = { list: [value], map: { key: value } };
        const message = Object.assign(create(every), {
          [field.localName]: field.fieldKind === "list" || field.fieldKind === "map" ? held[field.fieldKind] : value,
        });
        const theirs = outcome(() => JSON.stringify(toJson(every, message, { registry })));
        assert.equal(
          outcome(() => write(message)),
          theirs,
          `${field}: ${String(value)}`,
        );
      }
    }
  });

  it("malformed Unicode is written as U+FFFD", () => {
    const write = createJsonWriters(api).ofMessage(SessionConfigSchema);
    const message = create(SessionConfigSchema, { metadata: { "a\ud800": "\udc00b" } });
    assert.deepEqual(JSON.parse(write(message)).metadata, { "a\ufffd": "\ufffdb" });
  });

  it("a message that changes is written anew, unless it is frozen and cannot change", () => {
    const write = createJsonWriters(api).ofMessage(SessionConfigSchema);
    const long = "x".repeat(1_000);
    const message = create(SessionConfigSchema, { metadata: { a: long } });
    const before = write(message);
    Object.assign(message.metadata, { b: long });
    const after = write(message);
    assert.notEqual(after, before);
    assert.deepEqual([write(deepFreeze(message)), write(message)], [after, after]);
  });

  it("a list of frozen messages is written anew when one of them is another", () => {
    const write = createJsonWriters(api).ofMessage(ListSessionsResponseSchema);
    const named = (name: string): Session => deepFreeze(create(SessionSchema, { name }));
    const [alice, bob, carol] = [named("alice"), named("bob"), named("carol")];
    for (const sessions of [[alice, bob], [alice, bob], [alice, carol], [alice], []]) {
      const text = write(create(ListSessionsResponseSchema, { sessions }));
      const names = [...text.matchAll(/"name":"(\w+)"/g)].map(([, name]) => name);
      assert.deepEqual(
        names,
        sessions.map(({ name }) => name),
      );
    }
  });

  it("a number in a google.protobuf.Struct must be finite", () => {
    const write = createJsonWriters(api).ofMessage(MessagePayloadSchema);
    const message = create(MessagePayloadSchema, { data: { list: [Number.NaN] } });
    assert.throws(() => write(message), /NaN/);
  });
});

/** Returns the text, or "refused". */
function outcome(write: () => string): string {
  try {
    return write();
  } catch {
    return "refused";
  }
}
