import type { HttpRequest } from "../exchange.ts";

/** How a unary call is written on the wire. */
export interface UnaryFormat {
  readonly protocolName: "connect" | "grpc" | "grpc-web";
  readonly isBinary: boolean;
  /** True if messages have a prefix of five bytes: flags and length. */
  readonly isEnveloped: boolean;
  /** Content type of the answer. */
  readonly contentType: string;
  /** Request header with the compression of the message. */
  readonly encodingHeader: string;
  /** Request header with the compressions that the client accepts. */
  readonly acceptHeader: string;
  readonly timeoutHeader: string;
}

const connect = {
  protocolName: "connect",
  isEnveloped: false,
  encodingHeader: "content-encoding",
  acceptHeader: "accept-encoding",
  timeoutHeader: "connect-timeout-ms",
} as const;

const grpc = {
  protocolName: "grpc",
  isEnveloped: true,
  encodingHeader: "grpc-encoding",
  acceptHeader: "grpc-accept-encoding",
  timeoutHeader: "grpc-timeout",
} as const;

const grpcWeb = { ...grpc, protocolName: "grpc-web" } as const;

const formats: ReadonlyMap<string, UnaryFormat> = new Map<string, UnaryFormat>([
  ["application/json", { ...connect, isBinary: false, contentType: "application/json" }],
  ["application/proto", { ...connect, isBinary: true, contentType: "application/proto" }],
  ["application/grpc", { ...grpc, isBinary: true, contentType: "application/grpc+proto" }],
  ["application/grpc+proto", { ...grpc, isBinary: true, contentType: "application/grpc+proto" }],
  ["application/grpc+json", { ...grpc, isBinary: false, contentType: "application/grpc+json" }],
  ["application/grpc-web", { ...grpcWeb, isBinary: true, contentType: "application/grpc-web+proto" }],
  ["application/grpc-web+proto", { ...grpcWeb, isBinary: true, contentType: "application/grpc-web+proto" }],
  ["application/grpc-web+json", { ...grpcWeb, isBinary: false, contentType: "application/grpc-web+json" }],
]);

/**
 * Returns the format of a unary request that can be answered without Connect's pipeline. Returns undefined for all others: other
 * content types, compressed requests, deadlines, GET, HTTP/1.0, and a Host that is no authority of a URL.
 */
export function plainFormatOf({ method, httpVersion, headers }: HttpRequest): UnaryFormat | undefined {
  if (method !== "POST" || httpVersion === "1.0") return undefined;
  const format = formats.get(headers["content-type"] ?? "");
  if (format === undefined || headers[format.timeoutHeader] !== undefined) return undefined;
  const encoding = headers[format.encodingHeader];
  if (encoding !== undefined && encoding !== "identity") return undefined;
  const authority = headers[":authority"] ?? headers.host;
  return authority !== undefined && URL.canParse(`http://${authority}`) ? format : undefined;
}
