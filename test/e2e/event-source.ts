/** A server-sent event as a client reads it. */
export interface SentEvent {
  readonly id: string | undefined;
  readonly event: string | undefined;
  readonly data: Record<string, unknown>;
}

/** Reads server-sent events like EventSource: skips comments, can send the last id back. Ends with the response. */
export async function* readEvents(
  url: string,
  options: { lastEventId?: string; headers?: Record<string, string>; signal?: AbortSignal } = {},
): AsyncGenerator<SentEvent, void, void> {
  const { lastEventId, headers = {}, signal } = options;
  const response = await fetch(url, {
    headers: {
      accept: "text/event-stream",
      ...headers,
      ...(lastEventId !== undefined && { "last-event-id": lastEventId }),
    },
    ...(signal && { signal }),
  });
  if (!response.ok || !response.body) throw new Error(`${response.status} ${await response.text()}`);
  let buffer = "";
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    buffer += chunk;
    for (let end = buffer.indexOf("\n\n"); end >= 0; end = buffer.indexOf("\n\n")) {
      const event = parse(buffer.slice(0, end));
      buffer = buffer.slice(end + 2);
      if (event) yield event;
    }
  }
}

function parse(block: string): SentEvent | undefined {
  const fields = new Map(
    block.split("\n").map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trimStart()] as const;
    }),
  );
  const data = fields.get("data");
  return data === undefined ? undefined : { id: fields.get("id"), event: fields.get("event"), data: JSON.parse(data) };
}
