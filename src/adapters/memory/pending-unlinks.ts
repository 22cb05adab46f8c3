import { clone } from "@bufbuild/protobuf";
import { type PendingUnlink, PendingUnlinkSchema } from "../../../gen/sessiond/store/v1/store_pb.js";
import type { PendingUnlinks } from "../../ports/pending-unlinks.ts";

/** Logins that are still to be unlinked, in a map. */
export class MemoryPendingUnlinks implements PendingUnlinks {
  readonly #pending = new Map<string, PendingUnlink>();
  readonly #wipe: (id: string) => void;

  /** `wipe` removes the engine data of one. */
  constructor(wipe: (id: string) => void) {
    this.#wipe = wipe;
  }

  add(pending: PendingUnlink): void {
    this.#pending.set(pending.id, clone(PendingUnlinkSchema, pending));
  }

  async list(): Promise<PendingUnlink[]> {
    const ids = [...this.#pending.keys()].sort();
    return ids.flatMap((id) => this.#pending.get(id) ?? []).map((one) => clone(PendingUnlinkSchema, one));
  }

  async save(pending: PendingUnlink): Promise<void> {
    if (this.#pending.has(pending.id)) this.add(pending);
  }

  async finish(id: string): Promise<void> {
    this.#pending.delete(id);
    this.#wipe(id);
  }
}
