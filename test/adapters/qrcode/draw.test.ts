import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { drawQr } from "../../../src/adapters/qrcode/draw.ts";

/** Width and height of a PNG, from its IHDR (W3C PNG, section 11.2.1). */
function sizeOf(png: Uint8Array): [number, number] {
  assert.deepEqual([...png.subarray(0, 8)], [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  return [view.getUint32(16), view.getUint32(20)];
}

describe("a drawn QR code", () => {
  it("is a square PNG large enough to scan from a screen", async () => {
    // As long as WhatsApp's code: a reference, two keys and a secret.
    const [width, height] = sizeOf(await drawQr(`2@${"Aa0+/".repeat(45)},4`));
    assert.equal(width, height);
    assert.ok(width >= 300, String(width));
  });

  it("depends only on its text", async () => {
    assert.deepEqual(await drawQr("2@a"), await drawQr("2@a"));
    assert.notDeepEqual(await drawQr("2@a"), await drawQr("2@b"));
  });

  it("is refused for a text that is too long", async () => {
    await assert.rejects(drawQr("a".repeat(5_000)));
  });
});
