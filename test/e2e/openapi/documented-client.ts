import assert from "node:assert/strict";
import {
  isObject,
  type Json,
  type JsonObject,
  type Operation,
  objectAt,
  objectsOf,
  operations,
} from "../../http/openapi/operations.ts";
import { createSchemaCheck } from "../../http/openapi/schema-check.ts";

/** Request to send; `path` has the values of the path's variables. */
export interface DocumentedRequest {
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: Json;
  /** Raw body, sent in place of `body`. */
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Last item to read of an event stream. Default: the first. */
  readonly until?: (item: Json) => boolean;
}

/** Answer that matches the document; `body` is JSON, the bytes of a picture, the items of a stream, or undefined. */
export interface DocumentedAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Json | undefined;
}

/** Makes calls by operation id, and fails if an answer does not match the document. Records all answers. */
export class DocumentedClient {
  readonly #baseUrl: () => string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #checkRequest = createSchemaCheck({ closed: false });
  readonly #checkAnswer = createSchemaCheck({ closed: true });
  /** Answers so far, as "id status". */
  readonly seen = new Set<string>();
  /** Error messages so far, as "id status message". */
  readonly messages = new Set<string>();

  /** `headers` are defaults for the headers of every request. */
  constructor(baseUrl: () => string, headers: Readonly<Record<string, string>> = {}) {
    this.#baseUrl = baseUrl;
    this.#headers = headers;
  }

  /** Makes a call that must be answered with `status`. If it succeeds, its request must match the document, too. */
  async call(id: string, status: number, request: DocumentedRequest = {}): Promise<DocumentedAnswer> {
    const operation = operationOf(id);
    if (status < 400) this.#assertRequest(operation, request);
    return this.#fetch(operation, request, (response) => this.#assertAnswer(operation, status, response, request));
  }

  /** Makes a call that may be answered with any documented status. */
  async probe(id: string, request: DocumentedRequest): Promise<void> {
    const operation = operationOf(id);
    const status = await this.#fetch(operation, request, async (response) => response.status);
    assert.ok(operation.responses[status], `${id} does not document ${status}`);
  }

  async #fetch<T>(
    operation: Operation,
    request: DocumentedRequest,
    read: (response: Response) => Promise<T>,
  ): Promise<T> {
    const { body, text, headers } = request;
    const leaving = new AbortController();
    try {
      const response = await fetch(this.#baseUrl() + targetOf(operation, request), {
        method: operation.method,
        headers: { ...(body !== undefined && { "content-type": "application/json" }), ...this.#headers, ...headers },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        ...(text !== undefined && { body: text }),
        signal: leaving.signal,
      });
      return await read(response);
    } finally {
      leaving.abort();
    }
  }

  #assertRequest({ id, requestBody }: Operation, { body, text }: DocumentedRequest): void {
    if (text !== undefined) return;
    if (body === undefined) {
      assert.notEqual(requestBody?.required, true, `${id} has to have a body`);
      return;
    }
    const { schema } = objectAt(requestBody, "content", "application/json");
    assert.equal(this.#checkRequest(schema, body), undefined, `the request of ${id}`);
  }

  async #assertAnswer(
    { id, responses }: Operation,
    status: number,
    response: Response,
    { until = () => true }: DocumentedRequest,
  ): Promise<DocumentedAnswer> {
    const mediaType = response.headers.get("content-type")?.split(";")[0];
    const isStream = mediaType === "text/event-stream";
    const isPicture = mediaType?.startsWith("image/") ?? false;
    const text = isStream || isPicture ? undefined : await response.text();
    assert.equal(response.status, status, `${id}: ${text}`);
    const documented = responses[status];
    assert.ok(documented, `${id} does not document ${status}: ${text}`);
    this.seen.add(`${id} ${status}`);
    const answer = (body: Json | undefined) => ({ status, headers: response.headers, body });

    if (documented.content === undefined) {
      assert.equal(text, "", `${id} ${status} has no body`);
      return answer(undefined);
    }
    assert.ok(mediaType !== undefined && mediaType in objectAt(documented.content), `${id} ${status}: ${mediaType}`);
    const { schema } = objectAt(documented.content, mediaType);
    const check = (value: Json) => {
      const fault = this.#checkAnswer(schema, value);
      assert.equal(fault, undefined, `${id} ${status}: ${JSON.stringify(value)}`);
    };
    if (isPicture) {
      const bytes = await response.bytes();
      assert.deepEqual([...bytes.subarray(0, 4)], [0x89, 0x50, 0x4e, 0x47]);
      return answer([...bytes]);
    }
    if (text === undefined) return answer(await itemsOf(response, check, until));
    const body: Json = JSON.parse(text);
    check(body);
    if (isObject(body) && status >= 400) this.messages.add(`${id} ${status} ${body.message}`);
    return answer(body);
  }

  /** Returns the documented answers that have not occurred: "id status", and "id status message" for examples of errors. */
  missing(): string[] {
    return [...operations.values()].flatMap(({ id, responses }) =>
      Object.entries(responses).flatMap(([status, response]) => {
        if (status === "default") return [];
        if (!this.seen.has(`${id} ${status}`)) return [`${id} ${status}`];
        return messagesOf(response)
          .map((message) => `${id} ${status} ${message}`)
          .filter((message) => !this.messages.has(message));
      }),
    );
  }
}

/** Returns the messages in the examples of a response. */
function messagesOf({ content }: JsonObject): string[] {
  if (!isObject(content) || content["application/json"] === undefined) return [];
  const { examples } = objectAt(content, "application/json");
  const values = isObject(examples) ? objectsOf(Object.values(examples)) : [];
  return values.map(({ value = null }) => (isObject(value) ? String(value.message) : ""));
}

function operationOf(id: string): Operation {
  const operation = operations.get(id);
  assert.ok(operation, `${id} is not documented`);
  return operation;
}

function targetOf({ path }: Operation, request: DocumentedRequest): string {
  const target = path.replaceAll(/\{(\w+)\}/g, (_, name) => encodeURIComponent(request.path?.[name] ?? "default"));
  return request.query ? `${target}?${new URLSearchParams(request.query)}` : target;
}

/** Returns the checked items of an event stream, up to the wanted one. */
async function itemsOf(
  response: Response,
  check: (item: Json) => void,
  until: (item: Json) => boolean,
): Promise<Json[]> {
  const items: Json[] = [];
  let text = "";
  for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const events = (text + part).split("\n\n");
    text = events.pop() ?? "";
    for (const event of events) {
      const data = /^data: (.*)$/m.exec(event)?.[1];
      if (data === undefined) continue;
      const item: Json = JSON.parse(data);
      check(item);
      items.push(item);
      if (until(item)) return items;
    }
  }
  return items;
}
