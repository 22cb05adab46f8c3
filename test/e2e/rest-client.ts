/** A REST answer with its complete body. */
export interface RestAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Json;
}

/** JSON of unknown structure for tests. Missing paths are undefined. */
export type Json = { readonly [key: string]: Json } & { readonly [index: number]: Json } & (
    | string
    | number
    | boolean
    | null
    | object
  );

/** REST client that sends requests like curl. */
export class RestClient {
  readonly #baseUrl: () => string;
  readonly #headers: Readonly<Record<string, string>>;

  /** `headers` are sent with every request. */
  constructor(baseUrl: () => string, headers: Readonly<Record<string, string>> = {}) {
    this.#baseUrl = baseUrl;
    this.#headers = headers;
  }

  async call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<RestAnswer> {
    const response = await fetch(this.#baseUrl() + path, {
      method,
      headers: { ...this.#headers, ...(body !== undefined && { "content-type": "application/json" }), ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.includes("json") && text !== "";
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  }

  get(path: string) {
    return this.call("GET", path);
  }

  post(path: string, body?: unknown) {
    return this.call("POST", path, body);
  }

  put(path: string, body?: unknown) {
    return this.call("PUT", path, body);
  }

  delete(path: string) {
    return this.call("DELETE", path);
  }

  /** Waits on the session's status stream for one of these statuses; rejects if the session fails instead. */
  async untilStatus(session: string, ...wanted: string[]): Promise<string> {
    for await (const { status } of this.stream(`/api/sessions/${session}/status-stream`)) {
      if (wanted.includes(String(status))) return String(status);
      if (String(status) === "FAILED") throw new Error(`${session} is FAILED, not ${wanted.join(" or ")}`);
    }
    throw new Error(`the status stream of ${session} ended`);
  }

  /** Waits until the session shows a code, and returns the code's text. Rejects if the session fails instead. */
  async qrCode(session: string): Promise<string> {
    // A request for the code waits for at most 5 s, but a browser may take longer to start.
    await this.untilStatus(session, "SCAN_QR_CODE");
    const { status, body } = await this.get(`/api/${session}/auth/qr?format=raw`);
    if (status !== 200) throw new Error(`no code for ${session}: ${status} ${JSON.stringify(body)}`);
    return String(body.value);
  }

  /** Yields the data of server-sent events until the reader leaves. */
  async *stream(path: string): AsyncGenerator<Json> {
    const response = await fetch(this.#baseUrl() + path, {
      headers: { ...this.#headers, accept: "text/event-stream" },
    });
    if (!response.ok || !response.body)
      throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
    let buffer = "";
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      buffer += chunk;
      for (let end = buffer.indexOf("\n\n"); end >= 0; end = buffer.indexOf("\n\n")) {
        const data = buffer
          .slice(0, end)
          .split("\n")
          .filter((line) => line.startsWith("data:"));
        buffer = buffer.slice(end + 2);
        if (data.length > 0) yield JSON.parse(data.map((line) => line.slice(5)).join("\n"));
      }
    }
  }
}
