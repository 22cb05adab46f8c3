import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HttpBodySchema } from "../../gen/google/api/httpbody_pb.js";

/** Draws a text as a QR code and returns it as PNG. */
export type DrawQr = (value: string) => Promise<Uint8Array>;

/** Wraps a PNG image as the body of an answer. */
export const pngBody = (data: Uint8Array): MessageInitShape<typeof HttpBodySchema> => ({
  contentType: "image/png",
  data,
});
