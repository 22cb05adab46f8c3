import type { DescMethodServerStreaming, DescMethodUnary, JsonValue, Message } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import type { Transport } from "@connectrpc/connect";
import { type HttpBody, HttpBodySchema } from "../../../gen/google/api/httpbody_pb.js";
import { picture, successStatus } from "../dialect.ts";
import { type Answer, addVary, type HttpRequest, type HttpResponse, isGone, jsonAnswer, send } from "../exchange.ts";
import { ClientGone } from "../problem.ts";
import { pictureForm } from "./accept.ts";
import { toRestError } from "./error.ts";
import { copyResponseHeaders, requestHeaders } from "./forward-headers.ts";
import type { HttpBinding } from "./http-rules.ts";
import { isJsonObject } from "./json-read.ts";
import { fieldToRestJson, isMostlyEmpty, toRestJson, type WriteContext } from "./json-write.ts";
import type { Dialect } from "./resolve-dialect.ts";
import { createEventStream, type EventStream } from "./sse.ts";

/** Options for calling RPCs. */
export interface CallOptions extends WriteContext {
  readonly transport: Transport;
  /** Time between two comments on a quiet event stream. */
  readonly heartbeatMs: number;
  /** Time that an event stream waits for its first message, which may be an error, before it opens without one. */
  readonly openStreamAfterMs: number;
  /** Called with an error that ends an open stream. */
  readonly onError: (error: unknown, req: HttpRequest) => void;
}

/** Calls an RPC and sends its response. Rejects with the RPC's error if nothing has been sent yet. */
export async function callRpc(
  binding: HttpBinding,
  message: Message,
  req: HttpRequest,
  res: HttpResponse,
  options: CallOptions,
): Promise<void> {
  if (isGone(res)) throw new ClientGone();
  const controller = new AbortController();
  res.once("close", () => controller.abort());
  if (binding.rpc.methodKind === "unary") await callUnary(binding, binding.rpc, message, req, res, controller, options);
  else {
    resume(binding.rpc, message, req, options.dialect);
    await callStream(binding, binding.rpc, message, req, res, controller, options);
  }
}

async function callUnary(
  binding: HttpBinding,
  rpc: DescMethodUnary,
  message: Message,
  req: HttpRequest,
  res: HttpResponse,
  { signal }: AbortController,
  options: CallOptions,
): Promise<void> {
  const response = await options.transport.unary(rpc, signal, undefined, requestHeaders(req), message);
  copyResponseHeaders(res, response.header, response.trailer);
  const status = statusOf(req);
  if (rpc.output.typeName === HttpBodySchema.typeName) {
    send(req, res, httpBodyAnswer(status, response.message as HttpBody, req, res));
  } else if (binding.responseField !== undefined) {
    send(req, res, jsonAnswer(status, fieldToRestJson(binding.responseField, response.message, options)));
  } else {
    const body = toRestJson(rpc.output, response.message, options);
    send(req, res, isMostlyEmpty(rpc.output) && isEmptyObject(body) ? { status } : jsonAnswer(status, body));
  }
}

const isEmptyObject = (value: JsonValue): boolean => isJsonObject(value) && Object.keys(value).length === 0;

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

async function callStream(
  binding: HttpBinding,
  rpc: DescMethodServerStreaming,
  message: Message,
  req: HttpRequest,
  res: HttpResponse,
  controller: AbortController,
  options: CallOptions,
): Promise<void> {
  const { transport } = options;
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
    const response = await transport.stream(rpc, controller.signal, undefined, requestHeaders(req), one(message));
    if (!res.headersSent) copyResponseHeaders(res, response.header);
    for await (const item of response.message) {
      start();
      if (controller.signal.aborted || isGone(res)) break;
      await events.send(toEvent(binding, rpc, item, options));
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

function toEvent(binding: HttpBinding, rpc: DescMethodServerStreaming, message: Message, context: WriteContext) {
  const json = toRestJson(rpc.output, message, context);
  const field = binding.responseField;
  const data = field === undefined ? json : fieldToRestJson(field, message, context);
  const idField = rpc.output.fields.find((one) => context.dialect.streamIds.has(one));
  const id = idField === undefined ? "" : String(fieldToRestJson(idField, message, context));
  return id === "" || id === "0" ? { data } : { id, data };
}

async function sendError(events: EventStream, error: unknown, req: HttpRequest, options: CallOptions): Promise<void> {
  const { status, body } = toRestError(error);
  if (status === 500) options.onError(error, req);
  await events.send({ event: "error", data: body });
}

async function* one<T>(value: T): AsyncGenerator<T> {
  yield value;
}
