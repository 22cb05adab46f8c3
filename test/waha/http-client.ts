import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders, type RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";

/** A request that is sent unchanged: the path as is, `body` as JSON, `rawBody` as is. */
export interface RestRequest {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly rawBody?: string | Uint8Array;
}

/** An answer with its complete body. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  readonly text: string;
  /** Returns the body as JSON; throws if it is not JSON or not labelled as JSON. */
  json(): unknown;
}

/** HTTP/1.1 client for one base URL that does not normalize paths, unlike `fetch`. The caller must `close` it. */
export class HttpClient {
  readonly #base: URL;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #agent: HttpAgent;

  constructor(baseUrl: string, headers: Readonly<Record<string, string>> = {}) {
    this.#base = new URL(baseUrl);
    this.#headers = headers;
    const options = { keepAlive: true, maxSockets: 16 };
    this.#agent = this.#base.protocol === "https:" ? new HttpsAgent(options) : new HttpAgent(options);
  }

  /** Sends a request with the client's headers. The request's own headers replace them; an empty value omits one. */
  send({ method, path, headers = {}, body, rawBody }: RestRequest): Promise<Answer> {
    const payload = body === undefined ? rawBody : JSON.stringify(body);
    const all: Record<string, string> = {
      ...this.#headers,
      ...(payload !== undefined && { "content-type": "application/json" }),
      ...(payload !== undefined && { "content-length": String(Buffer.byteLength(payload)) }),
      ...headers,
    };
    const sent = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ""));
    return new Promise((resolve, reject) => {
      const request = this.#open({ method, path: this.#path(path), headers: sent }, resolve, reject);
      request.end(payload);
    });
  }

  /** Sends headers that announce a longer body than will be sent, and returns the server's answer. */
  announce(path: string, contentLength: number): Promise<Answer> {
    const headers = {
      ...this.#headers,
      "content-type": "application/json",
      "content-length": String(contentLength),
      connection: "close",
    };
    return new Promise((resolve, reject) => {
      const options = { method: "POST", path: this.#path(path), headers, agent: false as const };
      const request = this.#open(
        options,
        (answer) => {
          request.destroy();
          resolve(answer);
        },
        reject,
      );
      request.flushHeaders();
    });
  }

  close(): void {
    this.#agent.destroy();
  }

  #path(path: string): string {
    return this.#base.pathname.replace(/\/$/, "") + path;
  }

  #open(options: RequestOptions, resolve: (answer: Answer) => void, reject: (error: Error) => void) {
    const request = this.#base.protocol === "https:" ? httpsRequest : httpRequest;
    const target = { protocol: this.#base.protocol, hostname: this.#base.hostname, port: this.#base.port };
    return request({ ...target, agent: this.#agent, ...options }, async (response) => {
      try {
        const chunks: Buffer[] = [];
        for await (const chunk of response) chunks.push(chunk);
        resolve(toAnswer(response.statusCode ?? 0, response.headers, Buffer.concat(chunks)));
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    }).on("error", reject);
  }
}

function toAnswer(status: number, headers: IncomingHttpHeaders, bytes: Buffer): Answer {
  return {
    status,
    headers,
    bytes,
    text: bytes.toString(),
    json() {
      if (!/^application\/json\b/.test(headers["content-type"] ?? "")) {
        throw new Error(`the content type is ${headers["content-type"]}, not application/json`);
      }
      return JSON.parse(bytes.toString());
    },
  };
}
