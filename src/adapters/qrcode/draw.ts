/** Loads the library, which a server without a session to pair does not need. */
const loadLibrary = () => import("qrcode");

/** Pixels per module: enough for a phone to scan the longest code from a screen. */
const scale = 6;
/** Quiet zone that scanners need, in modules (ISO/IEC 18004). */
const margin = 4;

/** Draws a text as a QR code in PNG. Rejects if the text is too long. */
export async function drawQr(value: string): Promise<Uint8Array> {
  const { toBuffer } = await loadLibrary();
  return toBuffer(value, { type: "png", errorCorrectionLevel: "M", scale, margin });
}

/** Draws a text as a QR code in block characters for a terminal. */
export async function drawQrText(value: string): Promise<string> {
  const { toString: toText } = await loadLibrary();
  return toText(value, { type: "terminal", small: true, errorCorrectionLevel: "L" });
}
