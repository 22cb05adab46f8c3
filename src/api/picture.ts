import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HttpBodySchema } from "../../gen/google/api/httpbody_pb.js";

/** Draws a text as a QR code, as a PNG. */
export type DrawQr = (value: string) => Promise<Uint8Array>;

/** An answer that is a picture. */
export const pngBody = (data: Uint8Array): MessageInitShape<typeof HttpBodySchema> => ({
  contentType: "image/png",
  data,
});
