import { create, toJsonString } from "@bufbuild/protobuf";
import { durationMs, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  AuthService,
  type QrStreamRequest,
  type QrStreamResponse,
  QrTextSchema,
} from "../../gen/sessiond/v1/auth_service_pb.js";
import type { PairingLinks } from "../app/pairing-links.ts";
import type { SessionManager } from "../app/session-manager.ts";
import { invalidArgument, SessionError } from "../domain/errors.ts";
import { phoneNumber } from "../domain/phone-number.ts";
import type { Sessions } from "../ports/sessions.ts";
import type { Authentication } from "./authentication.ts";
import type { Forwarding } from "./nodes/forwarding.ts";
import { pngBody } from "./picture.ts";
import { liveStream } from "./streams/live-stream.ts";
import { type QrView, qrCode, qrStream } from "./streams/qr-stream.ts";
import type { Streams } from "./streams/streams.ts";

/** Dependencies of AuthService. */
export interface AuthServiceOptions extends QrView {
  readonly manager: Pick<SessionManager, "get" | "pairing" | "requestCode">;
  readonly sessions: Pick<Sessions, "watch">;
  readonly streams: Streams;
  readonly authentication: Pick<Authentication, "linkOf">;
  /** Undefined without a page for links. */
  readonly pairingLinks: Pick<PairingLinks, "create" | "list" | "revoke"> | undefined;
  /** Finds the owner of a stream; undefined if this node answers it. */
  readonly forwarding?: Pick<Forwarding, "follow"> | undefined;
}

/** Lifetime of a pairing link, unless the request says otherwise. */
const defaultLinkMs = 15 * 60_000;

/** Creates AuthService on top of a session manager. */
export function createAuthService(options: AuthServiceOptions): ServiceImpl<typeof AuthService> {
  const { manager, sessions, drawQr, streams, authentication, pairingLinks, clock, forwarding } = options;
  const shown = (atMs: number) => timestampFromMs(clock.wallMsAt(atMs));
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
    qrStream(request, context) {
      const local = (asked: QrStreamRequest, signal: AbortSignal) => qrStream(sessions, asked, options, signal);
      const open = (signal: AbortSignal) => {
        if (!forwarding) return local(request, signal);
        const header = context.requestHeader;
        const resumed = (last: QrStreamResponse | undefined) => resumedAfter(request, last);
        return forwarding.follow(AuthService.method.qrStream, request.session, request, {
          header,
          signal,
          local,
          resumed,
        });
      };
      return liveStream(open, streams.optionsFor(context));
    },
    async createPairingLink({ session, ttl }, { responseHeader }) {
      responseHeader.set("cache-control", "no-store");
      await manager.get(session);
      const links = requireLinks(pairingLinks);
      const { id, token, expiresAtMs } = await links.create(session, ttl ? durationMs(ttl) : defaultLinkMs);
      return { id, url: `/pair#${token}`, expiresAt: shown(expiresAtMs) };
    },
    async listPairingLinks({ session }) {
      await manager.get(session);
      const links = (await pairingLinks?.list(session)) ?? [];
      return {
        links: links.map(({ id, expiresAt }) => ({
          id,
          ...(expiresAt && { expiresAt: shown(timestampMs(expiresAt)) }),
        })),
      };
    },
    async revokePairingLink({ session, id }) {
      await manager.get(session);
      await pairingLinks?.revoke(session, id);
      return {};
    },
    getPairingLink(_request, { requestHeader, responseHeader }) {
      responseHeader.set("cache-control", "no-store");
      const link = authentication.linkOf(requestHeader);
      if (link === undefined)
        throw invalidArgument([{ field: "x-pairing-token", description: "header should be sent" }]);
      return { session: link.session, expiresAt: shown(link.expiresAtMs) };
    },
  };
}

/** Returns the request of a stream that goes on at another node, where a stopped session is an outcome. */
const resumedAfter = (request: QrStreamRequest, last: QrStreamResponse | undefined): QrStreamRequest => ({
  ...request,
  afterSeq: last?.seq || request.afterSeq || 1n,
});

function requireLinks<T>(links: T | undefined): T {
  if (links !== undefined) return links;
  throw new SessionError("DASHBOARD_OFF", "Pairing links need the dashboard: set SESSIOND_DASHBOARD=on");
}
