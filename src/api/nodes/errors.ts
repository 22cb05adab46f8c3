import { ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.js";
import { SessionError } from "../../domain/errors.ts";
import type { OtherOwner } from "../../ports/cluster.ts";

/** Header of each answer, or metadata of each error, that a node gave to another one: the name of the node that answered. */
export const nodeHeader = "sessiond-node";

/** Creates the error for a call that could not be sent to the owner of its session, or whose answer never came. */
export function nodeUnreachable(
  session: string,
  { node: { name: node }, isBound }: Pick<OtherOwner, "node" | "isBound">,
  mayHaveArrived: boolean,
): SessionError {
  const remedy = isBound
    ? "only that node can run the session, start it if it is down"
    : "try again, another node takes the session if it stays away";
  const text = mayHaveArrived
    ? `Node "${node}" of session "${session}" did not answer: the call may have been carried out`
    : `Node "${node}" of session "${session}" cannot be reached: ${remedy}`;
  return new SessionError("NODE_UNREACHABLE", text, { session, node });
}

/** An error that a node gave as its answer, as its client would get it. Undefined for the error of a connection. */
export function answeredError(error: unknown): ConnectError | undefined {
  if (!(error instanceof ConnectError) || !error.metadata.has(nodeHeader)) return undefined;
  const passed = new ConnectError(error.rawMessage, error.code, passedHeaders(error.metadata));
  passed.details = error.details;
  return passed;
}

/** Returns the reason in an error's details, with its metadata. */
export function reasonOf(error: ConnectError) {
  const [info] = error.findDetails(ErrorInfoSchema);
  const { node = "", bound } = info?.metadata ?? {};
  return { reason: info?.reason ?? "", node, isBound: bound === "true" };
}

const ownHeader = /^(content-|connect-|accept-|trailer-|grpc-)|^(date|connection|keep-alive|transfer-encoding|vary)$/;

/** Returns the headers of a node's answer that belong to the RPC, and so to the client's answer. */
export function passedHeaders(header: Headers): Headers {
  const isPassed = (name: string) => !ownHeader.test(name) && name !== nodeHeader && name !== "x-request-id";
  return new Headers([...header].filter(([name]) => isPassed(name)));
}
