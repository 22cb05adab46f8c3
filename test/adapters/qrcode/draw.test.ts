import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { inflateSync } from "node:zlib";
import { create } from "qrcode";
import { drawQr } from "../../../src/adapters/qrcode/draw.ts";

/** Width and height of a PNG, from its IHDR (W3C PNG, section 11.2.1). */
function sizeOf(png: Uint8Array): [number, number] {
  assert.deepEqual([...png.subarray(0, 8)], [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  return [view.getUint32(16), view.getUint32(20)];
}

/** Whether each pixel of a PNG of one bit a pixel is black. */
function pixelsOf(png: Uint8Array): (x: number, y: number) => boolean {
  const bytes = Buffer.from(png);
  const begin = bytes.indexOf("IDAT");
  const rows = inflateSync(bytes.subarray(begin + 4, begin + 4 + bytes.readUInt32BE(begin - 4)));
  const rowBytes = 1 + Math.ceil(sizeOf(png)[0] / 8);
  return (x, y) => ((rows[y * rowBytes + 1 + (x >> 3)] ?? 0) & (0x80 >> (x & 7))) === 0;
}

suite("a drawn QR code", () => {
  test("shows every module of the code, within its quiet zone", async () => {
    const text = `2@${"Aa0+/".repeat(45)},4`;
    const png = await drawQr(text);
    const { modules } = create(text, { errorCorrectionLevel: "M" });
    const isBlack = pixelsOf(png);
    const scale = sizeOf(png)[0] / (modules.size + 8);
    for (let y = -4; y < modules.size + 4; y += 1) {
      for (let x = -4; x < modules.size + 4; x += 1) {
        const isInside = Math.min(x, y) >= 0 && Math.max(x, y) < modules.size;
        for (const at of [0, scale - 1]) {
          const shown = isBlack((x + 4) * scale + at, (y + 4) * scale + at);
          assert.equal(shown, isInside && modules.get(y, x) === 1, `${x}, ${y}`);
        }
      }
    }
  });

  test("is a square PNG, large enough to be scanned off a screen", async () => {
    // As long as WhatsApp's: a reference, two keys and a secret.
    const [width, height] = sizeOf(await drawQr(`2@${"Aa0+/".repeat(45)},4`));
    assert.equal(width, height);
    assert.ok(width >= 300, String(width));
  });

  test("is the same for the same text, and another for another", async () => {
    assert.deepEqual(await drawQr("2@a"), await drawQr("2@a"));
    assert.notDeepEqual(await drawQr("2@a"), await drawQr("2@b"));
  });

  test("a text that no code can hold is refused", async () => {
    await assert.rejects(drawQr("a".repeat(5_000)));
  });
});
