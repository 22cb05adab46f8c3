import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  DownloadMediaRequestSchema,
  type DownloadMediaResponse,
  MessageService,
} from "../../../gen/sessiond/v1/message_service_pb.js";
import type { OtherOwner, Placement } from "../../ports/cluster.ts";
import type { MessageFile } from "../../ports/media.ts";
import { answeredError, nodeUnreachable } from "./errors.ts";
import { forwardedHeaders, type Peers } from "./peers.ts";

/** A file as callers get it. */
export type CalledFile = Omit<MessageFile, "sentAtMs">;

/** Finds the files of messages for callers. */
export interface FileFinder {
  /** Rejects if there is no such file. `header`: headers of the call. */
  find(session: string, messageId: string, signal: AbortSignal, header: Headers): Promise<CalledFile>;
}

/** Dependencies of a finder on a node. */
export interface NodeFilesOptions {
  readonly placement: Pick<Placement, "ownerOf">;
  readonly peers: Peers;
  /** Finds the files of this node's sessions. */
  readonly local: FileFinder;
}

/** The files of all sessions of a cluster: the owner of a session fetches its files, and passes them on as they arrive. */
export class NodeFiles implements FileFinder {
  readonly #options: NodeFilesOptions;

  constructor(options: NodeFilesOptions) {
    this.#options = options;
  }

  async find(session: string, messageId: string, signal: AbortSignal, header: Headers): Promise<CalledFile> {
    const owner = await this.#options.placement.ownerOf(session);
    if (owner.kind !== "node") return this.#options.local.find(session, messageId, signal, header);
    const named = { session, id: messageId };
    let facts: DownloadMediaResponse | undefined;
    for await (const part of this.#stream(owner, { ...named, isHead: true }, header, signal)) facts ??= part;
    const { mimetype = "", filename = "", size = 0n } = facts ?? {};
    return {
      mimetype,
      filename,
      size: Number(size),
      open: async (start, ending) => {
        const parts = this.#stream(owner, { ...named, start: BigInt(start) }, header, ending);
        // The first message tells about the file. It comes once the content begins to arrive.
        await parts.next();
        return contentOf(parts);
      },
    };
  }

  async *#stream(
    owner: OtherOwner,
    request: MessageInitShape<typeof DownloadMediaRequestSchema>,
    header: Headers,
    signal: AbortSignal,
  ): AsyncGenerator<DownloadMediaResponse, void, void> {
    try {
      const peer = this.#options.peers.to(owner.node);
      await peer.connect();
      const input = create(DownloadMediaRequestSchema, request);
      const { downloadMedia } = MessageService.method;
      const { message } = await peer.transport.stream(
        downloadMedia,
        signal,
        undefined,
        forwardedHeaders(header),
        one(input),
      );
      yield* message;
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw answeredError(error) ?? nodeUnreachable(request.session ?? "", owner, false);
    }
  }
}

async function* contentOf(parts: AsyncIterable<DownloadMediaResponse>): AsyncGenerator<Uint8Array> {
  for await (const { content } of parts) yield content;
}

async function* one<T>(value: T): AsyncGenerator<T> {
  yield value;
}
