import { toBuffer, toString as toText } from "qrcode";

/** Pixels to a module: large enough for a phone to read the longest code off a screen. */
const scale = 6;
/** The quiet zone a reader needs, in modules (ISO/IEC 18004). */
const margin = 4;

/** A text as a QR code, drawn as a PNG. Rejects if it is too long for one. */
export function drawQr(value: string): Promise<Uint8Array> {
  return toBuffer(value, { type: "png", errorCorrectionLevel: "M", scale, margin });
}

/** The same for a terminal, in block characters. */
export function drawQrText(value: string): Promise<string> {
  return toText(value, { type: "terminal", small: true, errorCorrectionLevel: "L" });
}
