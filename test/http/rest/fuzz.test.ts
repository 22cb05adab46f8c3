import assert from "node:assert/strict";
import { it } from "node:test";
import { openSocket } from "../server/raw-socket.ts";
import { startRestServer } from "./server.ts";

/** Pseudo-random numbers below `limit` (mulberry32), the same in every run. */
function randomFrom(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

const seeds = [
  'POST /api/sessions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\r\n{"name":"x","start":false,"config":{"metadata":{"a":"b"},"webhooks":[{"url":"http://a","events":["*"],"retries":{"attempts":3,"delaySeconds":1.5}}],"debug":true}}',
  "GET /api/sessions?all=true&metadata.user.id=1 HTTP/1.1\r\nHost: a\r\nAccept: application/json;q=0.5, */*\r\n\r\n",
  "GET /api/screenshot?session=x HTTP/1.1\r\nHost: a\r\nAccept: image/*\r\nX-Request-Id: abc\r\n\r\n",
  "POST /api/sessions/x%20y/start HTTP/1.1\r\nHost: a\r\nOrigin: https://a\r\n\r\n",
  'POST /sessiond.v1.SessionService/GetSession HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\r\n{"session":"x"}',
  "GET /api/status-stream HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 7\r\n\r\n",
];

const spice = [
  "%",
  "\0",
  "\r\n",
  '"',
  "{",
  "}",
  "[",
  "null",
  "1e999",
  "__proto__",
  "\u00ff",
  "/",
  ":",
  "..",
  "?",
  "\\ud800",
  " ",
  ",",
];

function mutate(seed: string, random: (limit: number) => number): string {
  let text = seed;
  for (let count = 1 + random(3); count > 0; count -= 1) {
    const at = random(text.length);
    const removed = random(3) === 0 ? random(8) : 0;
    const added = spice[random(spice.length)] ?? "";
    text = text.slice(0, at) + added + text.slice(at + removed);
  }
  const end = text.indexOf("\r\n\r\n");
  if (end === -1) return text;
  const body = text.slice(end + 4);
  return `${text.slice(0, end)}\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

it("hundreds of mutated requests never cause a 5xx, and the server survives", async (t) => {
  const errors: unknown[] = [];
  const { url, port } = await startRestServer(t, {
    rest: { onError: (error) => errors.push(error), openStreamAfterMs: 1 },
    limits: { firstByteTimeoutMs: 200, headersTimeoutMs: 200, requestTimeoutMs: 400 },
    session: {
      listSessions: () => ({}),
      createSession: ({ name, config }) => ({ session: { name, ...(config && { config }) } }),
      updateSession: ({ session }) => ({ session: { name: session } }),
      startSession: ({ session }) => ({ session: { name: session } }),
      getSession: ({ session }) => ({ session: { name: session } }),
      getScreenshot: () => ({ contentType: "image/png", data: new Uint8Array(4) }),
      statusStream: async function* () {
        yield { name: "x" };
      },
    },
  });
  const random = randomFrom(1);
  const requests = Array.from({ length: 600 }, (_, index) => mutate(seeds[index % seeds.length] ?? "", random));
  const attempt = async (request: string) => {
    const { socket, closed } = await openSocket(t, port);
    socket.end(request, "latin1");
    const answer = await closed;
    assert.doesNotMatch(answer, /^HTTP\/1\.1 5/, JSON.stringify(request));
    return answer;
  };
  const answers: string[] = [];
  while (requests.length > 0) answers.push(...(await Promise.all(requests.splice(0, 20).map(attempt))));
  assert.deepEqual(errors, []);
  assert(answers.some((answer) => answer.startsWith("HTTP/1.1 2")));
  assert(answers.some((answer) => answer.startsWith("HTTP/1.1 4")));
  assert.equal((await fetch(`${url}/api/sessions`)).status, 200);
});
