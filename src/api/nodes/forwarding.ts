import { create, type DescMethodServerStreaming, type DescMethodUnary, type MessageShape } from "@bufbuild/protobuf";
import { ConnectError, type Interceptor, type UnaryRequest } from "@connectrpc/connect";
import {
  type ResendFailedRequest,
  ResendFailedRequestSchema,
  type ResendFailedResponse,
  ResendFailedResponseSchema,
  WebhookService,
} from "../../../gen/sessiond/v1/webhook_service_pb.js";
import { isNotFound, SessionError, sessionMoving } from "../../domain/errors.ts";
import type { OtherOwner, Placement } from "../../ports/cluster.ts";
import type { MonotonicClock } from "../../ports/system.ts";
import type { Authentication } from "../authentication.ts";
import { answeredError, nodeUnreachable, passedHeaders, reasonOf } from "./errors.ts";
import { followOwner } from "./follow-owner.ts";
import { type OwnerCall, ownerCalls } from "./owner-calls.ts";
import { forwardedHeaders, type Peers, timeoutMsOf } from "./peers.ts";

/** Dependencies of forwarding. */
export interface ForwardingOptions {
  readonly placement: Pick<Placement, "self" | "ownerOf" | "ownersOf" | "nodes">;
  readonly peers: Peers;
  readonly authentication: Pick<Authentication, "linkOf">;
  readonly clock: MonotonicClock;
  /** Returns the names of all sessions with failed deliveries. */
  sessionsWithFailures(): Promise<readonly string[]>;
}

type Next = ReturnType<Interceptor>;
type Answer = Awaited<ReturnType<Next>>;

/** A unary call on its way to the owner of its session. */
interface Call {
  readonly rpc: OwnerCall;
  readonly session: string;
  readonly request: UnaryRequest;
  /** Answers the call on this node. */
  readonly next: Next;
}

/** Result of sending a call to a node: the answer, or the reason why there is none. */
type Outcome =
  | { readonly kind: "answer"; readonly answer: Answer }
  /** The call has not been carried out, since another node owns the session; "" if the node does not know which one. */
  | { readonly kind: "misdirected"; readonly owner: string; readonly isBound: boolean }
  /** Nothing was sent. */
  | { readonly kind: "unsent" }
  /** The answer was lost. The call may have been carried out. */
  | { readonly kind: "lost" };

/**
 * Sends calls to the owners of their sessions. A call that has come to the wrong node, or has not arrived, is sent once more. A call that
 * may have been carried out is not, unless repeating it has no effect.
 */
export class Forwarding {
  readonly #options: ForwardingOptions;

  constructor(options: ForwardingOptions) {
    this.#options = options;
  }

  /** Answers unary calls at the owner of their session. Must be the innermost interceptor, so that calls are checked here. */
  readonly interceptor: Interceptor = (next) => (req) => {
    const rpc = req.stream ? undefined : ownerCalls.get(req.method);
    if (rpc === undefined || req.stream) return next(req);
    const session = rpc.sessionOf(req.message) ?? this.#options.authentication.linkOf(req.header)?.session ?? "";
    if (session !== "") return this.#send({ rpc, session, request: req, next });
    return req.method === WebhookService.method.resendFailed ? this.#resendAll(rpc, req, next) : next(req);
  };

  /**
   * Yields the items of a stream that only the owner of a session has: from this node by `local`, or from the owner. Goes on at the next
   * owner when the session moves; `resumed` returns the request for that, after the last item.
   */
  follow<M extends DescMethodServerStreaming>(
    method: M,
    session: string,
    request: MessageShape<M["input"]>,
    stream: {
      readonly header: Headers;
      readonly signal: AbortSignal;
      local(request: MessageShape<M["input"]>, signal: AbortSignal): AsyncIterable<MessageShape<M["output"]>>;
      resumed(last: MessageShape<M["output"]> | undefined): MessageShape<M["input"]>;
    },
  ): AsyncIterable<MessageShape<M["output"]>> {
    return followOwner(this.#options, { ...stream, method, session, request });
  }

  async #send(call: Call): Promise<Answer> {
    const { placement } = this.#options;
    const owner = await placement.ownerOf(call.session, true);
    if (owner.kind !== "node") return this.#runHere(call);
    const outcome = await this.#sendTo(owner, call);
    if (outcome.kind === "answer") return outcome.answer;
    const second = outcome.kind === "misdirected" ? await this.#named(outcome.owner, outcome.isBound) : undefined;
    if (outcome.kind === "misdirected" && outcome.owner === placement.self) return call.next(call.request);
    if (outcome.kind === "lost" && !call.rpc.isRepeatable) {
      throw nodeUnreachable(call.session, owner, true);
    }
    return this.#sendAgain(call, owner, outcome.kind, second);
  }

  /** Sends a call for the second and last time. `told` is the owner that the first node named. */
  async #sendAgain(
    call: Call,
    first: OtherOwner,
    why: Exclude<Outcome["kind"], "answer">,
    told: OtherOwner | undefined,
  ): Promise<Answer> {
    const { session, next, request } = call;
    const owner = told ?? (await this.#options.placement.ownerOf(session));
    if (owner.kind !== "node") return next(request);
    const isSame = owner.node.name === first.node.name && owner.node.epoch === first.node.epoch;
    // A lost connection can be opened again; one that cannot be had now cannot be had a moment later.
    if (isSame && why !== "lost")
      throw why === "unsent" ? nodeUnreachable(session, owner, false) : sessionMoving(session);
    const outcome = await this.#sendTo(owner, call);
    if (outcome.kind === "answer") return outcome.answer;
    if (outcome.kind === "misdirected") throw sessionMoving(session);
    throw nodeUnreachable(session, owner, why === "lost" || outcome.kind === "lost");
  }

  /** Answers a call on this node, or at the node that turns out to own the session. */
  async #runHere(call: Call): Promise<Answer> {
    try {
      return await call.next(call.request);
    } catch (error) {
      if (!(error instanceof SessionError) || error.reason !== "OWNED_ELSEWHERE") throw error;
      const owner = await this.#named(error.metadata.node ?? "", error.metadata.bound === "true");
      // A session can be bound to a node that is down.
      if (!owner?.node.isAlive) throw error;
      const outcome = await this.#sendTo(owner, call);
      if (outcome.kind === "answer") return outcome.answer;
      if (outcome.kind === "misdirected") throw sessionMoving(call.session);
      throw nodeUnreachable(call.session, owner, outcome.kind === "lost");
    }
  }

  async #named(name: string, isBound: boolean): Promise<OtherOwner | undefined> {
    const { placement } = this.#options;
    if (name === "" || name === placement.self) return undefined;
    const node = (await placement.nodes()).find((one) => one.name === name);
    return node && { kind: "node", node, isBound };
  }

  async #sendTo({ node }: OtherOwner, { request }: Call): Promise<Outcome> {
    const peer = this.#options.peers.to(node);
    try {
      await peer.connect();
    } catch {
      request.signal.throwIfAborted();
      return { kind: "unsent" };
    }
    request.signal.throwIfAborted();
    try {
      const { method, header, signal } = request;
      const call = [signal, timeoutMsOf(header), forwardedHeaders(header), request.message] as const;
      const answer = await peer.transport.unary(method as DescMethodUnary, ...call);
      const trailer = passedHeaders(answer.trailer);
      return { kind: "answer", answer: { ...answer, header: passedHeaders(answer.header), trailer } };
    } catch (error) {
      if (request.signal.aborted) throw ConnectError.from(request.signal.reason);
      const answered = answeredError(error);
      if (answered === undefined) return { kind: "lost" };
      const { reason, node: owner, isBound } = reasonOf(answered);
      if (reason === "OWNED_ELSEWHERE") return { kind: "misdirected", owner, isBound };
      throw answered;
    }
  }

  /** Calls the owner of each session with failed deliveries. */
  async #resendAll(rpc: OwnerCall, request: UnaryRequest, next: Next): Promise<Answer> {
    const { message: asked, method, service } = request;
    let resent = 0;
    let last: Answer | undefined;
    for (const session of await this.#options.sessionsWithFailures()) {
      const message = create(ResendFailedRequestSchema, { ...(asked as ResendFailedRequest), session });
      try {
        // The implementation needs this very object.
        last = await this.#send({ rpc, session, request: Object.assign(request, { message }), next });
        resent += (last.message as ResendFailedResponse).resent;
      } catch (error) {
        // Deliveries of a removed session are not sent again.
        if (!isMissing(error)) throw error;
      }
    }
    if (last === undefined) return next(Object.assign(request, { message: asked }));
    const { header, trailer } = last;
    return { stream: false, method, service, header, trailer, message: create(ResendFailedResponseSchema, { resent }) };
  }
}

const isMissing = (error: unknown): boolean =>
  isNotFound(error) || (error instanceof ConnectError && reasonOf(error).reason === "SESSION_NOT_FOUND");
