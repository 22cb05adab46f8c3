import { MIMEType, promisify } from "node:util";
import { brotliDecompress, gunzip, inflate } from "node:zlib";
import type { JsonValue } from "@bufbuild/protobuf";
import { formType } from "../dialect.ts";
import type { HttpRequest } from "../exchange.ts";
import { ClientGone, HttpProblem } from "../problem.ts";
import { describeJsonSyntaxError, findJsonSyntaxError } from "./json-syntax.ts";

type Inflate = (bytes: Uint8Array, options: { maxOutputLength: number }) => Promise<Uint8Array>;

const inflateByEncoding: ReadonlyMap<string, Inflate | undefined> = new Map([
  ["", undefined],
  ["identity", undefined],
  ["gzip", promisify(gunzip) as Inflate],
  ["x-gzip", promisify(gunzip) as Inflate],
  ["deflate", promisify(inflate) as Inflate],
  ["br", promisify(brotliDecompress) as Inflate],
]);

/** Body of a request: JSON, or the text of a urlencoded form. */
export type Body = { json: JsonValue } | { form: string };

/** Limit for a body. */
export interface BodyLimit {
  readonly maxBytes: number;
  /** Continuation of the sentence that refuses a larger body, such as where the limit is set. */
  readonly advice?: string | undefined;
}

/** Options for reading a body. */
export interface BodyOptions extends BodyLimit {
  /** True if urlencoded forms are accepted besides JSON. */
  readonly acceptsForms: boolean;
}

/**
 * Reads a request's body; undefined if it is empty. Throws an HttpProblem if the body is too large (unread, if Content-Length is),
 * of another type, compressed by an unknown coding, or not JSON in UTF-8.
 */
export async function readBody(req: HttpRequest, options: BodyOptions): Promise<Body | undefined> {
  const { acceptsForms } = options;
  refuseLargeBody(req, options);
  const type = bodyType(req.headers["content-type"], acceptsForms);
  const typeProblem = type instanceof HttpProblem ? type : undefined;
  const encoding = (req.headers["content-encoding"] ?? "").trim().toLowerCase();
  const hasLength = Number(req.headers["content-length"] ?? 0) > 0;
  if (hasLength && typeProblem !== undefined) throw typeProblem;
  if (hasLength && !inflateByEncoding.has(encoding)) throw unknownEncoding();
  const bytes = await collect(req, options);
  if (bytes.byteLength === 0) return undefined;
  if (typeProblem !== undefined) throw typeProblem;
  const text = decodeUtf8(await decompress(bytes, encoding, options));
  if (text.trim() === "") return undefined;
  return type === "form" ? { form: text } : { json: parseJson(text) };
}

/** Throws an HttpProblem (413) if a request's Content-Length exceeds the limit. */
export function refuseLargeBody(req: HttpRequest, limit: BodyLimit): void {
  if (Number(req.headers["content-length"] ?? 0) > limit.maxBytes) throw tooLarge(limit);
}

function tooLarge({ maxBytes, advice = "" }: BodyLimit): HttpProblem {
  return new HttpProblem(413, `Body is larger than ${maxBytes} bytes${advice}`, { closes: true });
}

function unknownEncoding(): HttpProblem {
  return new HttpProblem(415, "Content-Encoding must be gzip, deflate, br or identity", { closes: true });
}

/** Returns the kind of body that a Content-Type announces, or its refusal. JSON if the header is missing. */
function bodyType(header: string | undefined, acceptsForms: boolean): "json" | "form" | HttpProblem {
  if (header === undefined) return "json";
  const refuse = (detail: string) => new HttpProblem(415, detail, { closes: true });
  const remedy = "send the body as JSON with the header Content-Type: application/json";
  try {
    const type = new MIMEType(header);
    const isForm = type.essence === formType;
    if (type.essence !== "application/json" && !type.subtype.endsWith("+json") && !(isForm && acceptsForms)) {
      return refuse(`Content-Type must be application/json${acceptsForms ? ` or ${formType}` : ""}: ${remedy}`);
    }
    const charset = type.params.get("charset")?.toLowerCase() ?? "utf-8";
    if (charset !== "utf-8" && charset !== "utf8") return refuse("The charset of the body must be UTF-8");
    return isForm ? "form" : "json";
  } catch {
    return refuse(`Content-Type is malformed: ${remedy}`);
  }
}

function collect(req: HttpRequest, limit: BodyLimit): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let size = 0;
    const onData = (chunk: Uint8Array) => {
      size += chunk.byteLength;
      chunks.push(chunk);
      if (size <= limit.maxBytes) return;
      stop();
      req.pause();
      reject(tooLarge(limit));
    };
    const onEnd = () => {
      stop();
      resolve(Buffer.concat(chunks));
    };
    const onClose = () => {
      stop();
      reject(new ClientGone());
    };
    function stop(): void {
      req.off("data", onData).off("end", onEnd).off("close", onClose).off("error", onClose);
    }
    req.on("data", onData).on("end", onEnd).on("close", onClose).on("error", onClose);
  });
}

async function decompress(bytes: Uint8Array, encoding: string, limit: BodyLimit): Promise<Uint8Array> {
  if (!inflateByEncoding.has(encoding)) throw unknownEncoding();
  const inflate = inflateByEncoding.get(encoding);
  if (inflate === undefined) return bytes;
  try {
    return await inflate(bytes, { maxOutputLength: limit.maxBytes });
  } catch (error) {
    if (error instanceof RangeError) throw tooLarge(limit);
    throw new HttpProblem(400, `Body is not valid ${encoding}`);
  }
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new HttpProblem(400, "Body is not valid UTF-8");
  }
}

function parseJson(text: string): JsonValue {
  try {
    return JSON.parse(text);
  } catch {
    const error = findJsonSyntaxError(text);
    const reason = error === undefined ? "" : `: ${describeJsonSyntaxError(text, error)}`;
    throw new HttpProblem(400, `Body is not valid JSON${reason}`);
  }
}
