import { once } from "node:events";
import type { TestContext } from "node:test";
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.js";
import { SessionService } from "../../gen/sessiond/v1/session_service_pb.js";
import { startServer } from "../support/server.ts";

/** Observations of a test's calls on the server. */
export interface Seen {
  /** Resolves when a call that waits forever has arrived. */
  readonly begun: Promise<void>;
  /** Resolves with the reason's code when the caller ends a call that waits forever. */
  readonly ended: Promise<Code | undefined>;
}

/** Returns the error that tests request by name. */
export const failure = () =>
  new ConnectError(
    "ü is not allowed, 100% sure\n",
    Code.FailedPrecondition,
    { "x-reason": "because", "x-raw-bin": "AAEC" },
    [
      { desc: ErrorInfoSchema, value: { reason: "SOME", domain: "test", metadata: { a: "b" } } },
      { desc: BadRequestSchema, value: { fieldViolations: [{ field: "name", description: "must be other" }] } },
    ],
  );

function tellBack({ requestHeader, responseHeader, responseTrailer }: HandlerContext): void {
  const sent = requestHeader.get("x-sent");
  if (sent !== null) responseHeader.set("x-header", sent);
  responseHeader.set("x-raw-bin", requestHeader.get("x-raw-bin") ?? "");
  responseTrailer.set("x-trailer", `after ${sent ?? ""}`);
}

/** Starts the server that users run, with services that answer as a test requests. */
export async function startConformanceServer(t: TestContext, isTls: boolean): Promise<Seen & { url: string }> {
  const begun = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<Code | undefined>();
  async function forever({ signal }: HandlerContext): Promise<never> {
    begun.resolve();
    if (!signal.aborted) await once(signal, "abort");
    ended.resolve(signal.reason instanceof ConnectError ? signal.reason.code : undefined);
    throw signal.reason;
  }
  const routes = (router: ConnectRouter) => {
    router.service(SessionService, {
      async getSession({ session }, context) {
        tellBack(context);
        if (session === "fail") throw failure();
        if (session === "forever") await forever(context);
        return { session: { name: session } };
      },
      async createSession({ name, config }) {
        return { session: { name, ...(config && { config }) } };
      },
      async *statusStream({ session, afterSeq }, context) {
        tellBack(context);
        if (session === "fail") throw failure();
        // Mostly small messages, and some worth compressing.
        for (let seq = 1n; seq <= afterSeq; seq += 1n) yield { seq, name: session.repeat(seq % 10n ? 1 : 1_000) };
        if (session === "late") throw failure();
        if (session === "forever") await forever(context);
      },
    });
    router.service(ServerReflection, {
      async *serverReflectionInfo(requests) {
        for await (const { host } of requests) yield { validHost: `${host}!` };
      },
    });
  };
  const fixture = (name: string) => new URL(`../http/fixtures/localhost.${name}.pem`, import.meta.url).pathname;
  const tls = { SESSIOND_TLS_KEY_FILE: fixture("key"), SESSIOND_TLS_CERT_FILE: fixture("cert") };
  const { url } = await startServer(t, isTls ? tls : {}, { routes });
  return { url, begun: begun.promise, ended: ended.promise };
}
