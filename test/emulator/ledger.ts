/** What one linked device told the server: the evidence for "no acknowledged message is missing". */
export class Ledger {
  /** One-time prekeys uploaded so far. */
  preKeysUploaded = 0;
  /** Logins that succeeded. */
  logins = 0;
  /** Messages to its own phone that the phone could decrypt: each has a counter that must never come twice. */
  peerMessages = 0;
  /** Ids of the messages the device sent, in order. */
  readonly sent: string[] = [];
  /** By id of a message the device was sent: its receipts' types in order, "delivery" for the one without a type. */
  readonly receipts = new Map<string, string[]>();
  /** By id of a message the device was sent: the error of its `<ack>`, "" for none. */
  readonly acks = new Map<string, string>();

  /** Whether the device told the server that it has this message: the server will not deliver it again. */
  acknowledged(messageId: string): boolean {
    const receipts = this.receipts.get(messageId) ?? [];
    return this.acks.get(messageId) === "" || receipts.some((type) => type !== "retry");
  }

  addReceipt(messageId: string, type: string): void {
    const known = this.receipts.get(messageId);
    if (known) known.push(type);
    else this.receipts.set(messageId, [type]);
  }
}
