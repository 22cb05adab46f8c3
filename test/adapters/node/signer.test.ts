import assert from "node:assert/strict";
import { it } from "node:test";
import { nodeSigner } from "../../../src/adapters/node/signer.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

it("signs WAHA's own example as WAHA does", () => {
  const body = utf8('{"event":"message","session":"default","engine":"WEBJS"}');
  const code = hex(nodeSigner.hmac("sha512", utf8("my-secret-key"), body));
  assert.match(code, /^208f8a55[0-9a-f]{110}076153fa89$/);
});

it("signs RFC 4231's second test case as the RFC does", () => {
  const data = utf8("what do ya want for nothing?");
  assert.equal(
    hex(nodeSigner.hmac("sha256", utf8("Jefe"), data)),
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
  );
});
