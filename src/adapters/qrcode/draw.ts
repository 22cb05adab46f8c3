import { crc32, deflateSync } from "node:zlib";
import { create, toString as toText } from "qrcode";

/** Pixels to a module: large enough for a phone to read the longest code off a screen. */
const scale = 6;
/** The quiet zone a reader needs, in modules (ISO/IEC 18004). */
const margin = 4;

/**
 * A text as a QR code, drawn as a PNG. Rejects if it is too long for one. The picture is made here: black and white need one bit
 * a pixel, where the library spends four bytes on each and five times as long.
 */
export async function drawQr(value: string): Promise<Uint8Array> {
  const { modules } = create(value, { errorCorrectionLevel: "M" });
  const width = (modules.size + 2 * margin) * scale;
  // Each row begins with its filter: none.
  const rowBytes = 1 + Math.ceil(width / 8);
  const pixels = new Uint8Array(rowBytes * width).fill(0xff);
  for (let y = 0; y < width; y += 1) {
    const row = pixels.subarray(y * rowBytes, (y + 1) * rowBytes);
    row[0] = 0;
    const above = pixels.subarray((y - 1) * rowBytes, y * rowBytes);
    if (y % scale > 0) row.set(above);
    else blacken(row.subarray(1), modules, y / scale - margin);
  }
  return png(width, pixels);
}

/** Draws one row of modules. */
function blacken(row: Uint8Array, modules: ReturnType<typeof create>["modules"], line: number): void {
  if (line < 0 || line >= modules.size) return;
  for (let x = 0; x < modules.size * scale; x += 1) {
    const pixel = x + margin * scale;
    if (modules.get(line, Math.floor(x / scale))) row[pixel >> 3] = (row[pixel >> 3] ?? 0) & ~(0x80 >> (pixel & 7));
  }
}

/** A square picture of one bit a pixel (https://www.w3.org/TR/png-3/). */
function png(width: number, pixels: Uint8Array): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(width, 4);
  header[8] = 1;
  const signature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(pixels)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const bytes = Buffer.alloc(body.byteLength + 8);
  bytes.writeUInt32BE(data.byteLength, 0);
  bytes.set(body, 4);
  bytes.writeUInt32BE(crc32(body), body.byteLength + 4);
  return bytes;
}

/** The same for a terminal, in block characters. */
export function drawQrText(value: string): Promise<string> {
  return toText(value, { type: "terminal", small: true, errorCorrectionLevel: "L" });
}
