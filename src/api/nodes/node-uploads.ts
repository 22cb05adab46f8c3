import { create } from "@bufbuild/protobuf";
import { PeerService, ReadUploadRequestSchema } from "../../../gen/sessiond/peer/v1/peer_service_pb.js";
import { SessionError } from "../../domain/errors.ts";
import type { Placement } from "../../ports/cluster.ts";
import { FileUnavailable, type UploadsElsewhere } from "../../ports/media.ts";
import { answeredError, reasonOf } from "./errors.ts";
import type { Peers } from "./peers.ts";

/** Dependencies of uploads that lie at other nodes. */
export interface NodeUploadsOptions {
  readonly placement: Pick<Placement, "self" | "nodes">;
  readonly peers: Peers;
}

/** Uploads of a cluster: each stays with the node that took it, and is read there part by part. */
export class NodeUploads implements UploadsElsewhere {
  readonly #options: NodeUploadsOptions;

  constructor(options: NodeUploadsOptions) {
    this.#options = options;
  }

  get self(): string {
    return this.#options.placement.self;
  }

  async *read(name: string, session: string, id: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const { placement, peers } = this.#options;
    const node = (await placement.nodes()).find((one) => one.name === name && one.isAlive);
    if (!node) throw away(name);
    try {
      const peer = peers.to(node);
      await peer.connect();
      const request = one(create(ReadUploadRequestSchema, { session, id }));
      const { readUpload } = PeerService.method;
      const { message } = await peer.transport.stream(readUpload, signal, undefined, undefined, request);
      for await (const { content } of message) yield content;
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const answered = answeredError(error);
      if (!answered) throw away(name);
      if (reasonOf(answered).reason === "FILE_NOT_FOUND") throw new FileUnavailable(answered.rawMessage);
      throw answered;
    }
  }
}

const away = (node: string) =>
  new SessionError(
    "NODE_UNREACHABLE",
    `Node "${node}", which has the uploaded file, cannot be reached: upload the file again`,
    { node },
  );

async function* one<T>(value: T): AsyncGenerator<T> {
  yield value;
}
