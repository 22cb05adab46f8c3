/** Record of what one linked device told the server, as evidence that no acknowledged message is missing. */
export class Ledger {
  /** One-time prekeys uploaded so far. */
  preKeysUploaded = 0;
  /** Successful logins. */
  logins = 0;
  /** Decrypted messages to the own phone. Each has a counter that must never repeat. */
  peerMessages = 0;
  /** Ids of the messages that the device sent, in order. */
  readonly sent: string[] = [];
  /** Types of the receipts for each message, by its id; "delivery" stands for a receipt without a type. */
  readonly receipts = new Map<string, string[]>();
  /** Errors of the `<ack>`s, by message id; "" for none. */
  readonly acks = new Map<string, string>();

  /** Returns true if the device has confirmed this message, so that the server will not deliver it again. */
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
