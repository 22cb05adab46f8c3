import {
  create,
  type DescField,
  type DescMessage,
  type Message,
  type MessageShape,
  ScalarType,
} from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { AnySchema, anyPack, DurationSchema, FieldMaskSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";

/** Pseudo-random numbers from 0 to before `limit` (mulberry32), the same for the same seed. */
export type Random = (limit: number) => number;

export function randomFrom(seed: number): Random {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

const texts = ["", "x", "naïve 😀", '"\\\n\u0000\u2028', "__proto__", "7", "a".repeat(50), "true"];
const numbers = [0, -0, 1, -1, 0.1, 1e21, 1e-7, 2 ** 31, Number.NaN, Infinity, -Infinity];
const integers = [0, 1, -1, 7, 2 ** 31 - 1, -(2 ** 31)];
const longs = [0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 9007199254740993n];

const pick = <T>(random: Random, items: readonly T[]): T => items[random(items.length)] as T;

/** Returns a message of a type in which a random part of the fields has random values, to a depth of `maxDepth` messages. */
export function randomMessage<Desc extends DescMessage>(
  desc: Desc,
  random: Random,
  maxDepth: number,
): MessageShape<Desc> {
  const message = create(desc);
  if (fillWellKnown(message, random)) return message;
  const reflection = reflect(desc, message);
  for (const field of desc.fields) {
    if (field.proto.label === 2 || random(3) > 0) fill(reflection, field, random, maxDepth);
  }
  return message;
}

/** Fills a message whose values have rules beyond their types. Returns false for other messages. */
function fillWellKnown(message: Message, random: Random): boolean {
  switch (message.$typeName) {
    case TimestampSchema.typeName:
      Object.assign(message, { seconds: BigInt(random(2 ** 31)), nanos: pick(random, [0, 1, 1_000, 120_000_000]) });
      return true;
    case DurationSchema.typeName:
      Object.assign(message, { seconds: BigInt(random(100)), nanos: pick(random, [0, 1, 500_000_000]) });
      return true;
    case FieldMaskSchema.typeName:
      Object.assign(message, { paths: pick(random, [[], ["a"], ["a_b.c", "d"]]) });
      return true;
    case AnySchema.typeName:
      if (random(2) === 0) return true;
      Object.assign(message, anyPack(TimestampSchema, randomMessage(TimestampSchema, random, 1)));
      return true;
    case "google.protobuf.Value":
      Object.assign(message, { kind: randomKind(random) });
      return true;
    default:
      return false;
  }
}

function randomKind(random: Random): unknown {
  return pick(random, [
    { case: "nullValue", value: 0 },
    { case: "numberValue", value: 1.5 },
    { case: "boolValue", value: false },
    { case: "stringValue", value: pick(random, texts) },
    { case: "structValue", value: { $typeName: "google.protobuf.Struct", fields: {} } },
    { case: "listValue", value: { $typeName: "google.protobuf.ListValue", values: [] } },
  ]);
}

function fill(message: ReflectMessage, field: DescField, random: Random, maxDepth: number): void {
  if (field.message !== undefined && maxDepth === 1) return;
  const value = () => randomElement(field, random, maxDepth);
  if (field.fieldKind === "list") {
    const list = message.get(field);
    for (let count = random(4); count > 0; count -= 1) list.add(value());
  } else if (field.fieldKind === "map") {
    const map = message.get(field);
    for (let count = random(4); count > 0; count -= 1) map.set(randomScalar(field.mapKey, random), value());
  } else {
    message.set(field, value());
  }
}

function randomElement(field: DescField, random: Random, maxDepth: number): unknown {
  if (field.enum !== undefined) {
    const isOpen = field.enum.open && random(5) === 0;
    return isOpen ? 99 : pick(random, field.enum.values).number;
  }
  if (field.message !== undefined) {
    return reflect(field.message, randomMessage(field.message, random, maxDepth - 1));
  }
  return randomScalar(field.scalar ?? ScalarType.STRING, random);
}

function randomScalar(scalar: ScalarType, random: Random): unknown {
  switch (scalar) {
    case ScalarType.STRING:
      return pick(random, texts);
    case ScalarType.BOOL:
      return random(2) === 0;
    case ScalarType.BYTES:
      return Uint8Array.from({ length: random(5) }, () => random(256));
    case ScalarType.DOUBLE:
      return pick(random, numbers);
    case ScalarType.FLOAT:
      return Math.fround(pick(random, numbers));
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return pick(random, integers);
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return random(2 ** 32);
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return pick(random, [0n, 1n, 2n ** 64n - 1n]);
    default:
      return pick(random, longs);
  }
}
