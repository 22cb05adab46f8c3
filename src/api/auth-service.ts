import { create, toJsonString } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { type AuthService, QrTextSchema } from "../../gen/sessiond/v1/auth_service_pb.js";
import type { SessionManager } from "../app/session-manager.ts";
import { invalidArgument, SessionError } from "../domain/errors.ts";
import { phoneNumber } from "../domain/phone-number.ts";
import type { Sessions } from "../ports/sessions.ts";
import { pngBody } from "./picture.ts";
import { liveStream } from "./streams/live-stream.ts";
import { type QrView, qrCode, qrStream } from "./streams/qr-stream.ts";
import type { Streams } from "./streams/streams.ts";

/** Dependencies of AuthService. */
export interface AuthServiceOptions extends QrView {
  readonly manager: Pick<SessionManager, "get" | "pairing" | "requestCode">;
  readonly sessions: Pick<Sessions, "watch">;
  readonly streams: Streams;
}

/** Creates AuthService on top of a session manager. */
export function createAuthService(options: AuthServiceOptions): ServiceImpl<typeof AuthService> {
  const { manager, sessions, drawQr, streams } = options;
  return {
    getQr: async ({ session }, { signal }) => ({
      qr: await qrCode(await manager.pairing(session, signal), options),
    }),
    async getQrBody({ session, format }, { signal }) {
      const { value } = await manager.pairing(session, signal);
      if (format !== "raw") return pngBody(await drawQr(value));
      return {
        contentType: "application/json; charset=utf-8",
        data: new TextEncoder().encode(toJsonString(QrTextSchema, create(QrTextSchema, { value }))),
      };
    },
    async requestCode({ session, phoneNumber: text, method }, { signal }) {
      if (method) {
        throw new SessionError("METHOD_NOT_SUPPORTED", "A method of sending the code is not supported: leave it out.");
      }
      const number = phoneNumber(text);
      if (typeof number !== "string") throw invalidArgument([number]);
      return { code: await manager.requestCode(session, number, signal) };
    },
    async authorizeCode({ session }) {
      await manager.get(session);
      throw new SessionError("METHOD_NOT_SUPPORTED", "The method is not implemented by the engine.", { session });
    },
    qrStream: (request, context) =>
      liveStream((signal) => qrStream(sessions, request, options, signal), streams.optionsFor(context)),
  };
}
