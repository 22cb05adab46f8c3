import { globSync } from "node:fs";
import {
  create,
  type DescMethod,
  type DescMethodStreaming,
  type DescMethodUnary,
  type DescService,
  fromJson,
  type JsonObject,
  toJson,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { createGrpcWebTransport as createBrowserTransport } from "@connectrpc/connect-web";
import { type HttpBinding, readHttpBindings } from "../../src/http/rest/http-rules.ts";

/** Input of a call. */
export interface CallInput {
  readonly request: JsonObject;
  readonly headers: Record<string, string>;
  /** Ends the call as "Canceled". */
  readonly signal?: AbortSignal;
}

/** Result of a call: "ok", the name of a code or an HTTP status, with the complete answer as text. */
export interface CallResult {
  readonly code: string;
  readonly answer: string;
}

/** One way to make one call: an RPC in some protocol, or one of its REST routes. */
export interface CallWay {
  readonly rpc: DescMethod;
  /** For example "GetMe by gRPC" or "PUT /api/sessions/{session}". */
  readonly label: string;
  /** Makes the call. For a stream, the first item is the answer. */
  call(input: CallInput): Promise<CallResult>;
}

const gen = new URL("../../gen/", import.meta.url);

/** Returns all services of the generated code. */
export async function allServices(): Promise<DescService[]> {
  const files = globSync("**/*_pb.js", { cwd: gen.pathname }).sort();
  const modules: object[] = await Promise.all(files.map((file) => import(new URL(file, gen).href)));
  return modules.flatMap((module) => Object.values(module)).filter((value) => value.kind === "service");
}

interface Protocol {
  readonly transport: (baseUrl: string) => Transport;
  readonly takesStreams: boolean;
}

const protocols = {
  "Connect over HTTP/1.1": {
    transport: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" }),
    takesStreams: false,
  },
  "Connect over HTTP/2, as JSON": {
    transport: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: false }),
    takesStreams: true,
  },
  gRPC: { transport: (baseUrl) => createGrpcTransport({ baseUrl }), takesStreams: true },
  "gRPC-Web": {
    transport: (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
    takesStreams: false,
  },
  "gRPC-Web of a browser": { transport: (baseUrl) => createBrowserTransport({ baseUrl }), takesStreams: false },
} as const satisfies Record<string, Protocol>;

/**
 * Returns every way to make every call of these services, by protocol: RPCs from their descriptors, REST from its
 * rules.
 */
export function everyWay(services: readonly DescService[], baseUrl: string): ReadonlyMap<string, readonly CallWay[]> {
  const rpcs = services.flatMap(({ methods }) => methods);
  const ways = new Map<string, readonly CallWay[]>();
  for (const [protocol, { transport: transportTo, takesStreams }] of Object.entries(protocols)) {
    const transport = transportTo(baseUrl);
    const callable = rpcs.filter(({ methodKind }) => takesStreams || !/client|bidi/.test(methodKind));
    const wayOf = (rpc: DescMethod): CallWay => ({
      rpc,
      label: `${rpc.name} by ${protocol}`,
      call: (input) =>
        settled(isStream(rpc) ? first(transport, rpc, input) : unary(transport, rpc as DescMethodUnary, input)),
    });
    ways.set(protocol, callable.map(wayOf));
  }
  const routeOf = (binding: HttpBinding): CallWay => ({
    rpc: binding.rpc,
    label: `${binding.httpMethod} ${binding.path}`,
    call: (input) => settled(rest(baseUrl, binding, input)),
  });
  return ways.set("REST", readHttpBindings(services).map(routeOf));
}

/** Returns a request of this RPC that names the session, if it has a field for it. */
export function requestAbout({ input }: DescMethod, session: string): JsonObject {
  const names = input.fields.filter(({ name, fieldKind }) => fieldKind === "scalar" && /^(session|name)$/.test(name));
  return Object.fromEntries(names.map(({ jsonName }) => [jsonName, session]));
}

async function settled(call: Promise<CallResult>): Promise<CallResult> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof DOMException) return { code: "Canceled", answer: "" };
    if (!(error instanceof ConnectError)) throw error;
    return { code: Code[error.code], answer: JSON.stringify([error.rawMessage, [...error.metadata], error.details]) };
  }
}

const isStream = (rpc: DescMethod): rpc is DescMethodStreaming => rpc.methodKind !== "unary";

async function unary(transport: Transport, rpc: DescMethodUnary, input: CallInput) {
  const message = fromJson(rpc.input, input.request);
  const answer = await transport.unary(rpc, input.signal, undefined, input.headers, message);
  return { code: "ok", answer: JSON.stringify(toJson(rpc.output, answer.message)) };
}

async function first(transport: Transport, rpc: DescMethodStreaming, input: CallInput): Promise<CallResult> {
  const leaving = new AbortController();
  const signal = AbortSignal.any([leaving.signal, input.signal ?? leaving.signal]);
  const requests = async function* () {
    yield create(rpc.input, fromJson(rpc.input, input.request));
  };
  const answer = await transport.stream(rpc, signal, undefined, input.headers, requests());
  try {
    for await (const item of answer.message) return { code: "ok", answer: JSON.stringify(toJson(rpc.output, item)) };
    return { code: "ok", answer: "" };
  } finally {
    leaving.abort();
  }
}

async function rest(baseUrl: string, binding: HttpBinding, { request, headers, signal }: CallInput) {
  const { rpc, httpMethod, path, variables, body } = binding;
  const names = new Set(variables.map(({ variable }) => variable.fieldPath));
  const target = path.replaceAll(/\{(\w+)\}/g, (_, name) => String(request[name]));
  const others = Object.fromEntries(Object.entries(request).filter(([name]) => !names.has(name)));
  const query = new URLSearchParams(
    Object.entries(others).map(([name, value]): [string, string] => [name, String(value)]),
  );
  const leaving = new AbortController();
  const response = await fetch(body === undefined ? `${baseUrl}${target}?${query}` : baseUrl + target, {
    method: httpMethod,
    headers: { ...(body !== undefined && { "content-type": "application/json" }), ...headers },
    ...(body !== undefined && { body: JSON.stringify(others) }),
    signal: AbortSignal.any([leaving.signal, signal ?? leaving.signal]),
  });
  if (!response.ok) return { code: String(response.status), answer: await response.text() };
  if (rpc.methodKind === "unary") return { code: "ok", answer: await response.text() };
  const answer = await firstEvent(response);
  leaving.abort();
  return { code: "ok", answer };
}

async function firstEvent({ body }: Response): Promise<string> {
  let text = "";
  for await (const chunk of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    if (/^data:.*\n\n/m.test(text)) break;
  }
  return text;
}
