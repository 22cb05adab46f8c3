import type { ConnectError } from "@connectrpc/connect";
import {
  type Compression,
  compressionNegotiate,
  encodeEnvelope,
  envelopeCompress,
  mergeNonProtocolHeaders,
} from "@connectrpc/connect/protocol";
import { codeToHttpStatus, contentTypeUnaryJson, errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { grpcStatusOk, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { trailerFlag, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";
import { encodeMessage } from "./grpc-message.ts";
import type { UnaryFormat } from "./unary-format.ts";

/** The outcome of a unary call: its response in bytes, or its error. */
export interface UnaryOutcome {
  readonly result: Uint8Array | ConnectError;
  /** Headers that the call has set. */
  readonly header: Headers | undefined;
  /** Trailers that the call has set. */
  readonly trailer: Headers | undefined;
}

/** Header fields by their names in lower case. */
export type Fields = Record<string, string | string[]>;

/** An answer with its complete body, for any version of HTTP. */
export interface UnaryAnswer {
  readonly status: number;
  readonly header: Fields;
  readonly body: Uint8Array;
  /** Trailers after the body; undefined for protocols without them. */
  readonly trailer?: Fields;
}

/** Writes the outcome of a call. `accepted` lists the compressions that the client accepts. Resolves later if it compresses. */
export type WriteAnswer = (
  outcome: UnaryOutcome,
  format: UnaryFormat,
  accepted: string | undefined,
) => UnaryAnswer | Promise<UnaryAnswer>;

/** Smaller messages are sent uncompressed, as by Connect. */
const compressMinBytes = 1024;

/** Creates the function that writes answers in Connect, gRPC and gRPC-Web. */
export function createAnswerWriter(compressions: readonly Compression[]): WriteAnswer {
  let last: { accepted: string; compression: Compression | null } | undefined;
  // Nearly all calls accept the same compressions.
  function negotiate(accepted: string | undefined): Compression | null {
    if (accepted === undefined) return null;
    if (last?.accepted === accepted) return last.compression;
    const compression = compressionNegotiate([...compressions], null, accepted, "").response;
    last = { accepted, compression };
    return compression;
  }
  return (outcome, format, accepted) => {
    if (format.protocolName === "connect") return writeConnect(outcome, format, () => negotiate(accepted));
    const write = format.protocolName === "grpc" ? writeGrpc : writeGrpcWeb;
    return write(outcome, format, negotiate(accepted));
  };
}

function writeConnect(
  outcome: UnaryOutcome,
  { contentType }: UnaryFormat,
  negotiate: () => Compression | null,
): UnaryAnswer | Promise<UnaryAnswer> {
  const { result, trailer } = outcome;
  const isResponse = result instanceof Uint8Array;
  const status = isResponse ? 200 : codeToHttpStatus(result.code);
  const body = isResponse ? result : errorToJsonBytes(result, undefined);
  const header: Fields = { "content-type": isResponse ? contentType : contentTypeUnaryJson };
  addFields(header, isResponse ? outcome.header : withMetadata(outcome.header, result));
  addFields(header, trailer, "trailer-");
  const compression = body.byteLength < compressMinBytes ? null : negotiate();
  if (compression === null) return connectAnswer(status, header, body);
  header["content-encoding"] = compression.name;
  return compression.compress(body).then((compressed) => connectAnswer(status, header, compressed));
}

/** Returns the headers of a failed call with the metadata of its error. */
function withMetadata(header = new Headers(), { isWireError, metadata }: ConnectError): Headers {
  header.delete("content-type");
  if (!isWireError) mergeNonProtocolHeaders(header, metadata);
  return header;
}

function connectAnswer(status: number, header: Fields, body: Uint8Array): UnaryAnswer {
  header["content-length"] = String(body.byteLength);
  return { status, header, body };
}

function writeGrpc(
  outcome: UnaryOutcome,
  format: UnaryFormat,
  compression: Compression | null,
): UnaryAnswer | Promise<UnaryAnswer> {
  const header = grpcHeader(outcome, format, compression);
  const trailer = fieldsOf(grpcTrailer(outcome));
  const { result } = outcome;
  if (!(result instanceof Uint8Array)) return { status: 200, header, body: new Uint8Array(), trailer };
  const body = frame(0, result, compression);
  if (body instanceof Uint8Array) return { status: 200, header, body, trailer };
  return body.then((compressed) => ({ status: 200, header, body: compressed, trailer }));
}

function writeGrpcWeb(
  outcome: UnaryOutcome,
  format: UnaryFormat,
  compression: Compression | null,
): UnaryAnswer | Promise<UnaryAnswer> {
  const header = grpcHeader(outcome, format, compression);
  const { result } = outcome;
  const message = result instanceof Uint8Array ? frame(0, result, compression) : new Uint8Array();
  const trailer = frame(trailerFlag, trailerSerialize(grpcTrailer(outcome)), compression);
  if (message instanceof Uint8Array && trailer instanceof Uint8Array) {
    return { status: 200, header, body: Buffer.concat([message, trailer]) };
  }
  return Promise.all([message, trailer]).then((frames) => ({ status: 200, header, body: Buffer.concat(frames) }));
}

function grpcHeader({ header }: UnaryOutcome, { contentType }: UnaryFormat, compression: Compression | null): Fields {
  const fields: Fields = { "content-type": contentType };
  if (compression !== null) fields["grpc-encoding"] = compression.name;
  addFields(fields, header);
  return fields;
}

/** Created for the first answer, since the first Headers object loads Node's undici. */
let successTrailer: Headers | undefined;

function grpcTrailer({ result, trailer }: UnaryOutcome): Headers {
  if (result instanceof Uint8Array) {
    successTrailer ??= new Headers({ "grpc-status": grpcStatusOk });
    return trailer === undefined ? successTrailer : setTrailerStatus(trailer, undefined);
  }
  const status = setTrailerStatus(trailer ?? new Headers(), result);
  status.set("grpc-message", encodeMessage(result.rawMessage));
  return status;
}

function frame(flags: number, data: Uint8Array, compression: Compression | null): Uint8Array | Promise<Uint8Array> {
  if (compression === null || data.byteLength < compressMinBytes) return encodeEnvelope(flags, data);
  return envelopeCompress({ flags, data: new Uint8Array(data) }, compression, compressMinBytes).then((envelope) =>
    encodeEnvelope(envelope.flags, envelope.data),
  );
}

function fieldsOf(headers: Headers): Fields {
  const fields: Fields = {};
  addFields(fields, headers);
  return fields;
}

/** Adds headers to fields, in place of fields of the same name. */
function addFields(fields: Fields, headers: Headers | undefined, prefix = ""): void {
  headers?.forEach((value, name) => {
    fields[prefix + name] = value;
  });
  // The only header whose values cannot be joined.
  if (headers?.has("set-cookie")) fields[`${prefix}set-cookie`] = headers.getSetCookie();
}
