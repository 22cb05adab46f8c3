/** Phones of an emulated WhatsApp, by number. Each call rejects where WhatsApp would refuse. */
export interface Phones {
  /** Scans a QR code with a new phone. Returns its number. */
  scan(qr: string): Promise<string>;
  /** Types a pairing code, "ABCD-ABCD", on the phone. */
  enterCode(phone: string, code: string): Promise<void>;
  /** Removes the phone's linked devices. */
  unlink(phone: string): Promise<void>;
  /** Sends a text from one phone to another. */
  send(from: string, to: string, text: string): Promise<void>;
  /** Returns a number that no other case uses. */
  freeNumber(): string;
}

/** Connects to the phones behind an emulator's control address (test/emulator/control.ts). */
export function phonesAt(controlUrl: string): Phones {
  // Separate from the emulator's own numbers, and different in each run.
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
