import type { DescMethod, Message } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import { ConnectError } from "@connectrpc/connect";
import { AuthService } from "../../../gen/sessiond/v1/auth_service_pb.js";
import { ownedElsewhere } from "../../domain/errors.ts";
import type { Placement } from "../../ports/cluster.ts";
import type { Authentication } from "../authentication.ts";
import { nodeHeader } from "./errors.ts";
import { ownerCalls } from "./owner-calls.ts";

/** Dependencies of calls that other nodes have sent here. */
export interface ArrivalOptions {
  readonly placement: Pick<Placement, "self" | "ownerOf">;
  readonly authentication: Pick<Authentication, "linkOf" | "refresh">;
}

/** Creates the interceptor that refuses a call whose session another node owns. It is never sent on: a call goes one hop. */
export function ownedHere({ placement, authentication }: ArrivalOptions): Interceptor {
  const check = async (session: string) => {
    if (session === "") return;
    const owner = await placement.ownerOf(session);
    if (owner.kind === "node") throw ownedElsewhere(session, owner.node.name, owner.isBound);
  };
  return (next) => async (req) => {
    await authentication.refresh(req.header);
    if (req.stream)
      return next({ ...req, message: checkEach(req.message, (message) => check(streamedSession(message))) });
    const session = sessionOf(req.method, req.message) ?? authentication.linkOf(req.header)?.session ?? "";
    await check(session);
    return next(req);
  };
}

const sessionOf = (method: DescMethod, message: Message) => ownerCalls.get(method)?.sessionOf(message);

const streamedSession = (message: Message): string =>
  message.$typeName === AuthService.method.qrStream.input.typeName && "session" in message
    ? String(message.session)
    : "";

async function* checkEach<T>(messages: AsyncIterable<T>, check: (message: T) => Promise<void>): AsyncIterable<T> {
  for await (const message of messages) {
    await check(message);
    yield message;
  }
}

/** Creates the interceptor that marks answers and errors with the name of this node. Must be the outermost. */
export function markAnswers(self: string): Interceptor {
  const marked = (error: unknown): unknown => {
    if (error instanceof ConnectError) error.metadata.set(nodeHeader, self);
    return error;
  };
  return (next) => async (req) => {
    try {
      const res = await next(req);
      res.header.set(nodeHeader, self);
      return res.stream ? { ...res, message: markErrors(res.message, marked) } : res;
    } catch (error) {
      throw marked(error);
    }
  };
}

async function* markErrors<T>(messages: AsyncIterable<T>, marked: (error: unknown) => unknown): AsyncIterable<T> {
  try {
    yield* messages;
  } catch (error) {
    throw marked(error);
  }
}
