/** Phones of an emulated WhatsApp, by number; each call rejects where WhatsApp would refuse. */
export interface Phones {
  /** A new phone scans the text of a QR code; gives its number. */
  scan(qr: string): Promise<string>;
  /** The phone types a pairing code, "ABCD-ABCD". */
  enterCode(phone: string, code: string): Promise<void>;
  /** The phone removes its linked devices. */
  unlink(phone: string): Promise<void>;
  /** A phone sends a text to another. */
  send(from: string, to: string, text: string): Promise<void>;
  /** A number that no other case uses. */
  freeNumber(): string;
}

/** The phones behind the control address of an emulator (test/emulator/control.ts). */
export function phonesAt(controlUrl: string): Phones {
  // Beside the numbers that the emulator gives out, and other ones in each run.
  let number = 15_560_000_000 + (process.pid % 10_000) * 1_000;
  const freeNumber = () => String(++number);
  const call = async (action: string, body: object): Promise<void> => {
    const response = await fetch(new URL(action, `${controlUrl.replace(/\/$/, "")}/`), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${action} was answered with ${response.status}: ${text}`);
  };
  return {
    async scan(qr) {
      const phone = freeNumber();
      await call("scan", { qr, phone });
      return phone;
    },
    enterCode: (phone, code) => call("code", { phone, code }),
    unlink: (phone) => call("unlink", { phone }),
    send: (from, to, text) => call("send", { from, to, text }),
    freeNumber,
  };
}
