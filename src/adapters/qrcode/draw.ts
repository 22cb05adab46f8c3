import { toBuffer, toString as toText } from "qrcode";

/** Pixels per module: enough for a phone to scan the longest code from a screen. */
const scale = 6;
/** Quiet zone that scanners need, in modules (ISO/IEC 18004). */
const margin = 4;

/** Draws a text as a QR code in PNG. Rejects if the text is too long. */
export function drawQr(value: string): Promise<Uint8Array> {
  return toBuffer(value, { type: "png", errorCorrectionLevel: "M", scale, margin });
}

/** Draws a text as a QR code in block characters for a terminal. */
export function drawQrText(value: string): Promise<string> {
  return toText(value, { type: "terminal", small: true, errorCorrectionLevel: "L" });
}
