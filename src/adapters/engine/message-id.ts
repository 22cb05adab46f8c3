/** Returns a new message id in the form of WhatsApp's linked devices. */
export const newMessageId = (): string =>
  `3EB0${Buffer.from(crypto.getRandomValues(new Uint8Array(9)))
    .toString("hex")
    .toUpperCase()}`;
