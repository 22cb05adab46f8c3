import type { DescMethodServerStreaming, DescMethodUnary, Message } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import type { Transport } from "@connectrpc/connect";
import { type HttpBody, HttpBodySchema } from "../../../gen/google/api/httpbody_pb.js";
import { callSignal } from "../call-signals.ts";
import { picture, successStatus } from "../dialect.ts";
import {
  type Answer,
  addVary,
  type HttpRequest,
  type HttpResponse,
  isGone,
  jsonAnswer,
  jsonTextAnswer,
  send,
} from "../exchange.ts";
import { ClientGone } from "../problem.ts";
import { signalOf, UnaryCall, type UnaryRpc } from "../unary-calls.ts";
import { pictureForm } from "./accept.ts";
import { toRestError } from "./error.ts";
import { copyResponseHeaders } from "./forward-headers.ts";
import type { HttpBinding } from "./http-rules.ts";
import { isMostlyEmpty, type JsonWriters } from "./json-write.ts";
import type { Dialect } from "./resolve-dialect.ts";
import { createEventStream, type EventStream, type ServerSentEvent } from "./sse.ts";

/** A request with the headers that its RPC receives. */
export interface RestCall {
  readonly req: HttpRequest;
  readonly res: HttpResponse;
  readonly header: Headers;
}

/** Calls an RPC with a message and sends its response. Rejects with the RPC's error if nothing has been sent yet. */
export type CallRpc = (call: RestCall, message: Message) => Promise<void>;

/** Options for unary calls. */
export interface UnaryOptions {
  readonly rpc: UnaryRpc;
  readonly writers: JsonWriters;
  /** Aborts the signals of all calls. */
  readonly shutdownSignal: AbortSignal | undefined;
}

/** Creates the caller of a unary RPC. */
export function createUnaryCaller(binding: HttpBinding, { rpc, writers, shutdownSignal }: UnaryOptions): CallRpc {
  const toAnswer = answerWriter(binding, rpc.method, writers);
  const url = `https://in-memory/${rpc.method.parent.typeName}/${rpc.method.name}`;
  return async ({ req, res, header }, message) => {
    if (isGone(res)) throw new ClientGone();
    const createSignal = () => signalOf(res, shutdownSignal);
    const call = new UnaryCall(rpc.method, message, { protocolName: "connect", url, header, createSignal });
    let response: Message;
    try {
      response = await rpc.run(call);
    } finally {
      if (!isGone(res)) copyResponseHeaders(res, call.presentHeader, call.presentTrailer);
    }
    if (isGone(res)) throw new ClientGone();
    send(req, res, toAnswer(response, req, res));
  };
}

type ToAnswer = (response: Message, req: HttpRequest, res: HttpResponse) => Answer;

function answerWriter({ responseField }: HttpBinding, { output }: DescMethodUnary, writers: JsonWriters): ToAnswer {
  if (output.typeName === HttpBodySchema.typeName) {
    return (response, req, res) => httpBodyAnswer(statusOf(req), response as HttpBody, req, res);
  }
  if (responseField !== undefined) {
    const write = writers.ofField(responseField);
    return (response, req) => jsonTextAnswer(statusOf(req), write(response));
  }
  const write = writers.ofMessage(output);
  const mayBeEmpty = isMostlyEmpty(output);
  return (response, req) => {
    const status = statusOf(req);
    const text = write(response);
    return mayBeEmpty && text === "{}" ? { status } : jsonTextAnswer(status, text);
  };
}

function statusOf(req: HttpRequest): number {
  return successStatus.get(req.method ?? "") ?? 200;
}

function httpBodyAnswer(status: number, { contentType, data }: HttpBody, req: HttpRequest, res: HttpResponse): Answer {
  const headers = { "Cache-Control": "no-store" };
  if (picture.contentType.test(contentType)) {
    addVary(res, "Accept");
    if (pictureForm(req.headers.accept, contentType) === "json") {
      const { contentType: typeKey, base64: dataKey } = picture.keys;
      const body = { [typeKey]: contentType, [dataKey]: Buffer.from(data).toString("base64") };
      return jsonAnswer(status, body, headers);
    }
  }
  return { status, contentType: contentType === "" ? "application/octet-stream" : contentType, body: data, headers };
}

/** Options for calls of streams. */
export interface StreamOptions {
  /** In-process transport to the services. */
  readonly transport: Transport;
  /** Aborts the signals of all calls. */
  readonly shutdownSignal: AbortSignal | undefined;
  readonly writers: JsonWriters;
  readonly dialect: Dialect;
  /** Time between two comments on a quiet event stream. */
  readonly heartbeatMs: number;
  /** Time that an event stream waits for its first message, which may be an error, before it opens without one. */
  readonly openStreamAfterMs: number;
  /** Called with an error that ends an open stream. */
  readonly onError: (error: unknown, req: HttpRequest) => void;
}

/** Creates the caller of a server stream, whose messages become server-sent events. */
export function createStreamCaller(
  binding: HttpBinding,
  rpc: DescMethodServerStreaming,
  options: StreamOptions,
): CallRpc {
  const toEvent = eventWriter(binding, rpc, options);
  return async (call, message) => {
    if (isGone(call.res)) throw new ClientGone();
    resume(rpc, message, call.req, options.dialect);
    await callStream(rpc, call, message, toEvent, options);
  };
}

async function callStream(
  rpc: DescMethodServerStreaming,
  { req, res, header }: RestCall,
  message: Message,
  toEvent: ToEvent,
  options: StreamOptions,
): Promise<void> {
  const controller = new AbortController();
  res.once("close", () => controller.abort());
  const events = createEventStream(res, statusOf(req), options.heartbeatMs);
  const openLater = setTimeout(() => start(), options.openStreamAfterMs);
  let started = false;
  function start(): void {
    clearTimeout(openLater);
    if (started || isGone(res)) return;
    started = true;
    if (req.method === "HEAD") controller.abort();
    events.open();
  }

  try {
    const signal = callSignal(controller.signal, options.shutdownSignal);
    const response = await options.transport.stream(rpc, signal, undefined, header, one(message));
    if (!res.headersSent) copyResponseHeaders(res, response.header);
    for await (const item of response.message) {
      start();
      if (controller.signal.aborted || isGone(res)) break;
      await events.send(toEvent(item));
    }
    start();
  } catch (error) {
    if (!started) throw error;
    if (!controller.signal.aborted) await sendError(events, error, req, options);
  } finally {
    clearTimeout(openLater);
  }
  events.end();
}

const maxUint64 = 2n ** 64n - 1n;

/** Resumes a stream after Last-Event-ID. It overrides the URL, which EventSource cannot change when it reconnects. */
function resume(rpc: DescMethodServerStreaming, message: Message, req: HttpRequest, dialect: Dialect): void {
  const id = String(req.headers["last-event-id"] ?? "");
  const field = rpc.input.fields.find((one) => dialect.resumeFields.has(one));
  if (field === undefined || !/^\d{1,20}$/.test(id) || BigInt(id) > maxUint64) return;
  reflect(rpc.input, message).set(field, BigInt(id));
}

type ToEvent = (message: Message) => ServerSentEvent;

function eventWriter({ responseField }: HttpBinding, { output }: DescMethodServerStreaming, options: StreamOptions) {
  const { writers, dialect } = options;
  const write = responseField === undefined ? writers.ofMessage(output) : writers.ofField(responseField);
  const idField = output.fields.find((one) => dialect.streamIds.has(one));
  const makeEvent: ToEvent = (message) => {
    const data = write(message);
    const id = idField === undefined ? "0" : String(reflect(output, message, false).get(idField));
    return id === "0" ? { data } : { id, data };
  };
  // Events of frozen messages, which are frozen throughout and sent to many streams.
  const events = new WeakMap<Message, ServerSentEvent>();
  const toEvent: ToEvent = (message) => {
    if (!Object.isFrozen(message)) return makeEvent(message);
    const known = events.get(message);
    if (known !== undefined) return known;
    const event = makeEvent(message);
    events.set(message, event);
    return event;
  };
  return toEvent;
}

async function sendError(events: EventStream, error: unknown, req: HttpRequest, options: StreamOptions): Promise<void> {
  const { status, body } = toRestError(error);
  if (status === 500) options.onError(error, req);
  await events.send({ event: "error", data: JSON.stringify(body) });
}

async function* one<T>(value: T): AsyncGenerator<T> {
  yield value;
}
