import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientHttp2Stream, connect } from "node:http2";
import { describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { AuthService } from "../../../gen/sessiond/v1/auth_service_pb.js";
import { SessionService } from "../../../gen/sessiond/v1/session_service_pb.js";
import { startTwoNodes, type TestNode } from "../../support/two-nodes.ts";

const count = 80;
const pictureBytes = 100_000;
const transportTo = ({ url }: TestNode) => createGrpcTransport({ baseUrl: url });

/** Opens a stream of codes as server-sent events, and reads nothing of it: Connect's clients read ahead. */
async function openSlowly({ url }: TestNode, signal: AbortSignal): Promise<ClientHttp2Stream> {
  const session = connect(url);
  signal.addEventListener("abort", () => session.destroy(), { once: true });
  const stream = session.request({ ":path": "/api/alice/auth/qr-stream", accept: "text/event-stream" });
  const [headers] = await once(stream, "response");
  assert.equal(headers[":status"], 200);
  return stream;
}

/** Returns the codes in the order in which they come, up to a last one. */
async function readCodes(stream: ClientHttp2Stream, last: string): Promise<string[]> {
  let text = "";
  for await (const chunk of stream.setEncoding("utf8")) {
    text += chunk;
    if (text.includes(`"${last}"`)) break;
  }
  return [...text.matchAll(/"value":\s*"(code \d+)"/g)].map(([, code = ""]) => code);
}

describe("a stream of codes whose reader is slow", () => {
  for (const node of ["a", "b"] as const) {
    it(`is not stored on the way, and goes on with the newest code: at node ${node}, owned by b`, async (t) => {
      const nodes = await startTwoNodes(t, { drawQr: async () => new Uint8Array(pictureBytes) });
      const { b } = nodes;
      await createClient(SessionService, transportTo(b)).createSession({ name: "alice" });
      const offer = (serial: number) => {
        const facts = { serial, remaining: count - serial, issuedAtMs: 0, expiresAtMs: 60_000 };
        b.engine().report({ type: "qr", value: `code ${serial}`, ...facts });
      };
      offer(1);
      const ending = new AbortController();
      const slow = await openSlowly(nodes[node], ending.signal);
      const auth = createClient(AuthService, transportTo(b));
      const prompt = auth.qrStream({ session: "alice" }, { signal: ending.signal })[Symbol.asyncIterator]();
      for (let serial = 1; serial <= count; serial++) {
        if (serial > 1) offer(serial);
        const { value } = await prompt.next();
        assert.ok(value?.item.case === "qr" && value.item.value.value === `code ${serial}`);
      }
      const codes = await readCodes(slow, `code ${count}`);
      ending.abort();
      assert.equal(codes[0], "code 1");
      assert.ok(codes.length < count / 4, `${codes.length} of ${count} codes were stored on the way`);
    });
  }
});
