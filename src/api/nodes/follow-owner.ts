import type { DescMethodServerStreaming, MessageShape } from "@bufbuild/protobuf";
import type { Owner, Placement } from "../../ports/cluster.ts";
import type { MonotonicClock } from "../../ports/system.ts";
import { answeredError, nodeUnreachable, reasonOf } from "./errors.ts";
import { forwardedHeaders, type Peers, timeoutMsOf } from "./peers.ts";

/** The cluster as a stream sees it. */
interface Cluster {
  readonly placement: Pick<Placement, "ownerOf">;
  readonly peers: Peers;
  readonly clock: MonotonicClock;
}

/** A stream of a session's owner. */
interface OwnerStream<M extends DescMethodServerStreaming> {
  readonly method: M;
  readonly session: string;
  readonly request: MessageShape<M["input"]>;
  readonly header: Headers;
  readonly signal: AbortSignal;
  local(request: MessageShape<M["input"]>, signal: AbortSignal): AsyncIterable<MessageShape<M["output"]>>;
  resumed(last: MessageShape<M["output"]> | undefined): MessageShape<M["input"]>;
}

/** Interval at which an open stream looks for another owner. */
const lookMs = 1_000;
/** Pause before a stream is opened again. */
const pauseMs = 300;
/** Time without an owner that answers, after which a stream ends. Another node takes a lost session within 11 s. */
const patienceMs = 20_000;

/** Reasons with which a node ends a stream that goes on at another one. */
const movingReasons: readonly string[] = ["OWNED_ELSEWHERE", "SHUTTING_DOWN"];

/** Yields the items of a stream from the session's owner, and goes on at the next owner when the session moves. */
export async function* followOwner<M extends DescMethodServerStreaming>(
  cluster: Cluster,
  stream: OwnerStream<M>,
): AsyncGenerator<MessageShape<M["output"]>, void, void> {
  const { placement, clock } = cluster;
  const { session, signal } = stream;
  let { request } = stream;
  let last: MessageShape<M["output"]> | undefined;
  let answeredAtMs = clock.nowMs();
  for (;;) {
    const owner = await placement.ownerOf(session);
    using watch = watchOwner(cluster, session, owner, signal);
    try {
      for await (const item of itemsOf(cluster, stream, owner, request, watch.signal)) {
        last = item;
        answeredAtMs = clock.nowMs();
        yield item;
      }
      return;
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (!watch.signal.aborted && !isMoving(error, owner)) throw answeredError(error) ?? error;
      if (owner.kind === "node" && clock.nowMs() - answeredAtMs >= patienceMs) {
        throw nodeUnreachable(session, owner, false);
      }
    }
    watch.stop();
    await pause(clock, signal);
    request = stream.resumed(last);
  }
}

async function* itemsOf<M extends DescMethodServerStreaming>(
  { peers }: Cluster,
  { method, header, local }: OwnerStream<M>,
  owner: Owner,
  request: MessageShape<M["input"]>,
  signal: AbortSignal,
): AsyncGenerator<MessageShape<M["output"]>, void, void> {
  if (owner.kind !== "node") {
    yield* local(request, signal);
    return;
  }
  const peer = peers.to(owner.node);
  await peer.connect();
  const { message } = await peer.transport.stream<M["input"], M["output"]>(
    method,
    signal,
    timeoutMsOf(header),
    forwardedHeaders(header),
    one(request),
  );
  yield* message;
}

/** Returns true if a stream has ended because the session has another owner, or its owner cannot be reached. */
function isMoving(error: unknown, owner: Owner): boolean {
  if (owner.kind !== "node") return false;
  const answered = answeredError(error);
  return answered === undefined || movingReasons.includes(reasonOf(answered).reason);
}

/** Returns a signal that aborts with `signal`, or once the session has another owner. */
function watchOwner({ placement, clock }: Cluster, session: string, owner: Owner, signal: AbortSignal) {
  const ending = new AbortController();
  const end = () => ending.abort(signal.reason);
  let cancel = () => {};
  const look = async () => {
    const now = await placement.ownerOf(session).catch(() => owner);
    if (ending.signal.aborted) return;
    if (placeOf(now) !== placeOf(owner)) ending.abort(new Error("the session has moved"));
    else lookLater();
  };
  const lookLater = () => {
    cancel = clock.schedule(lookMs, () => void look());
  };
  const stop = () => {
    cancel();
    signal.removeEventListener("abort", end);
    ending.abort(signal.reason);
  };
  if (signal.aborted) end();
  else {
    signal.addEventListener("abort", end, { once: true });
    lookLater();
  }
  return { signal: ending.signal, stop, [Symbol.dispose]: stop };
}

/** Returns the place of a session. A session without an owner is read here. */
const placeOf = (owner: Owner): string => (owner.kind === "node" ? `${owner.node.name}/${owner.node.epoch}` : "");

function pause(clock: MonotonicClock, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const cancel = clock.schedule(pauseMs, resolve);
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise.finally(cancel);
}

async function* one<T>(value: T): AsyncGenerator<T> {
  yield value;
}
