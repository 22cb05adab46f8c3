import assert from "node:assert/strict";
import { it } from "node:test";
import { nodeSigner } from "../../../src/adapters/node/signer.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);

it("the signer signs WAHA's example as WAHA does", () => {
  const body = utf8('{"event":"message","session":"default","engine":"WEBJS"}');
  const code = nodeSigner.hmac("sha512", "my-secret-key", [body], "hex");
  assert.match(code, /^208f8a55[0-9a-f]{110}076153fa89$/);
});

it("the signer signs RFC 4231's test case 2, also in parts and with a binary key", () => {
  const code = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
  assert.equal(nodeSigner.hmac("sha256", "Jefe", ["what do ya want for nothing?"], "hex"), code);
  assert.equal(nodeSigner.hmac("sha256", utf8("Jefe"), ["what do ya ", utf8("want for nothing?")], "hex"), code);
  const base64 = Buffer.from(code, "hex").toString("base64");
  assert.equal(nodeSigner.hmac("sha256", "Jefe", ["what do ya want for nothing?"], "base64"), base64);
});
