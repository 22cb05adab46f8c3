/** A phone's ends of the sender keys with which devices encrypt for whole groups: real Signal sender keys, in memory. */
import {
  GroupCipher,
  GroupSessionBuilder,
  SenderKeyDistributionMessage,
  SenderKeyName,
  SenderKeyRecord,
} from "@whiskeysockets/baileys/lib/Signal/Group/index.js";

/** The sender keys that a phone was given. */
export class SenderKeys {
  readonly #records = new Map<string, SenderKeyRecord>();
  readonly #store = {
    loadSenderKey: async (name: SenderKeyName) => this.#records.get(name.toString()) ?? new SenderKeyRecord(),
    storeSenderKey: async (name: SenderKeyName, record: SenderKeyRecord) => {
      this.#records.set(name.toString(), record);
    },
  };

  /** Takes the key of a device, `sender`, for a group. */
  async take(group: string, sender: string, distribution: Uint8Array): Promise<void> {
    const message = new SenderKeyDistributionMessage(null, null, null, null, distribution);
    await new GroupSessionBuilder(this.#store).process(nameOf(group, sender), message);
  }

  /** Decrypts a message of a device to a group. Rejects without the device's key. */
  async decrypt(group: string, sender: string, body: Uint8Array): Promise<Buffer> {
    return Buffer.from(await new GroupCipher(this.#store, nameOf(group, sender)).decrypt(body));
  }
}

const nameOf = (group: string, sender: string) =>
  new SenderKeyName(group, { id: sender, deviceId: 0, toString: () => sender });
