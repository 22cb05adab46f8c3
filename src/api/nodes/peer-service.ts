import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { type PeerService, ReadUploadResponseSchema } from "../../../gen/sessiond/peer/v1/peer_service_pb.js";
import type { News } from "./news.ts";

/** Yields an uploaded file of this node. Throws FILE_NOT_FOUND. */
export type UploadReader = (session: string, id: string) => AsyncIterable<Uint8Array>;

/** Creates the service for the other nodes of the cluster. */
export const createPeerService = (news: News, readUpload: UploadReader): ServiceImpl<typeof PeerService> => ({
  follow: (_request, { signal }) => news.follow(signal),
  async *readUpload({ session, id }) {
    for await (const content of readUpload(session, id)) yield create(ReadUploadResponseSchema, { content });
  },
});
