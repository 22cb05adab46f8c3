import { create, type DescMethod, type DescMethodUnary, type DescService, type Message } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ContextValues,
  createContextValues,
  type HandlerContext,
  type Interceptor,
  type ServiceImpl,
  type UnaryRequest,
} from "@connectrpc/connect";
import type { UniversalHandlerOptions } from "@connectrpc/connect/protocol";
import { onAbort } from "./call-signals.ts";
import { type HttpResponse, isGone } from "./exchange.ts";
import { ResponseHeaders } from "./response-headers.ts";

// REST, gRPC, gRPC-Web and Connect enter a unary RPC here: the same gate, interceptors and implementation for all of them, without a
// second trip through bytes. Each part that most calls do not need, such as the signal or the trailers, is created when it is read.

/** A caller of a unary RPC. */
export interface Caller {
  readonly header: Headers;
  /** Name of the RPC protocol, as in Connect's HandlerContext. */
  readonly protocolName: string;
  readonly url: string;
  /** Creates the signal that aborts the call. Called at most once. */
  createSignal(): AbortSignal;
}

/** One call of a unary RPC: the request as interceptors see it, and the context as the implementation sees it. */
export class UnaryCall implements UnaryRequest, HandlerContext {
  readonly stream = false;
  readonly requestMethod = "POST";
  readonly method: DescMethodUnary;
  message: Message;
  readonly #caller: Caller;
  #signal: AbortSignal | undefined;
  #values: ContextValues | undefined;
  #responseHeader: Headers | undefined;
  #responseTrailer: Headers | undefined;

  constructor(method: DescMethodUnary, message: Message, caller: Caller) {
    this.method = method;
    this.message = message;
    this.#caller = caller;
  }

  get service(): DescService {
    return this.method.parent;
  }

  get protocolName(): string {
    return this.#caller.protocolName;
  }

  get url(): string {
    return this.#caller.url;
  }

  get signal(): AbortSignal {
    this.#signal ??= this.#caller.createSignal();
    return this.#signal;
  }

  get header(): Headers {
    return this.#caller.header;
  }

  get requestHeader(): Headers {
    return this.#caller.header;
  }

  get values(): ContextValues {
    this.#values ??= createContextValues();
    return this.#values;
  }

  get contextValues(): ContextValues {
    return this.values;
  }

  get responseHeader(): Headers {
    this.#responseHeader ??= new ResponseHeaders();
    return this.#responseHeader;
  }

  get responseTrailer(): Headers {
    this.#responseTrailer ??= new ResponseHeaders();
    return this.#responseTrailer;
  }

  /** The response headers, if there are any. */
  get presentHeader(): Headers | undefined {
    return this.#responseHeader;
  }

  /** The response trailers, if there are any. */
  get presentTrailer(): Headers | undefined {
    return this.#responseTrailer;
  }

  /** Takes the headers and trailers of a response that an interceptor has made. */
  takeHeaders({ header, trailer }: { readonly header: Headers; readonly trailer: Headers }): void {
    for (const [name, value] of header) this.responseHeader.set(name, value);
    for (const [name, value] of trailer) this.responseTrailer.set(name, value);
  }

  /** Calls with a deadline stay in Connect's pipeline. */
  timeoutMs(): undefined {}
}

/** A unary RPC, ready to be called. */
export interface UnaryRpc {
  readonly method: DescMethodUnary;
  /** Rejects a call by its headers alone, before its message is read: throws or rejects with the error for the caller. */
  gate(context: Pick<HandlerContext, "method" | "requestHeader">): void | Promise<void>;
  /**
   * Runs a call and returns its response. Response headers and trailers are in `call` afterwards, also after a failure. Always rejects
   * with a ConnectError.
   */
  run(call: UnaryCall): Promise<Message>;
}

/** Unary RPCs by their descriptor. */
export type UnaryRpcs = ReadonlyMap<DescMethod, UnaryRpc>;

type Implementation = (request: Message, context: HandlerContext) => unknown;
type Rules = Partial<UniversalHandlerOptions> | undefined;

const isUnary = (method: DescMethod): method is DescMethodUnary => method.methodKind === "unary";

/** Collects the unary RPCs of all services that `routes` registers. `interceptors` are for services that bring none of their own. */
export function collectUnaryRpcs(
  routes: (router: ConnectRouter) => void,
  interceptors: readonly Interceptor[] = [],
): UnaryRpcs {
  const rpcs = new Map<DescMethod, UnaryRpc>();
  const add = (method: DescMethod, implementation: unknown, rules: Rules) => {
    if (!isUnary(method)) return;
    const implement = typeof implementation === "function" ? (implementation as Implementation) : unimplemented(method);
    rpcs.set(method, createUnaryRpc(method, implement, { interceptors: [...interceptors], ...rules }));
  };
  const collector: ConnectRouter = {
    handlers: [],
    service(service, implementation, rules) {
      const members: Partial<Record<string, unknown>> = implementation satisfies Partial<ServiceImpl<typeof service>>;
      for (const method of service.methods) {
        const member = members[method.localName];
        add(method, typeof member === "function" ? member.bind(implementation) : undefined, rules);
      }
      return collector;
    },
    rpc(method, implementation, rules) {
      add(method, implementation, rules);
      return collector;
    },
  };
  routes(collector);
  return rpcs;
}

function createUnaryRpc(method: DescMethodUnary, implementation: Implementation, rules: NonNullable<Rules>): UnaryRpc {
  type Next = ReturnType<Interceptor>;
  const innermost: Next = async (request) => {
    // Interceptors pass on the request that they received.
    const call = request as UnaryCall;
    const message = create(method.output, (await implementation(call.message, call)) as Message);
    return new UnaryResult(call, message);
  };
  const chain = (rules.interceptors ?? []).reduceRight((next, interceptor) => interceptor(next), innermost);
  return {
    method,
    gate: (context) => rules.requestGate?.(context as HandlerContext),
    async run(call) {
      try {
        const response = await chain(call);
        if (!(response instanceof UnaryResult)) call.takeHeaders(response);
        return response.message as Message;
      } catch (error) {
        throw error instanceof ConnectError ? error : hiddenError(error);
      }
    },
  };
}

/** The response as interceptors see it. Its headers are those of the call, created when they are read. */
class UnaryResult {
  readonly stream = false;
  readonly message: Message;
  readonly #call: UnaryCall;

  constructor(call: UnaryCall, message: Message) {
    this.#call = call;
    this.message = message;
  }

  get method(): DescMethodUnary {
    return this.#call.method;
  }

  get service(): DescService {
    return this.#call.service;
  }

  get header(): Headers {
    return this.#call.responseHeader;
  }

  get trailer(): Headers {
    return this.#call.responseTrailer;
  }
}

const unimplemented = (method: DescMethod): Implementation => {
  const message = `${method.parent.typeName}.${method.name} is not implemented`;
  return () => {
    throw new ConnectError(message, Code.Unimplemented);
  };
};

/** An error that no interceptor has worded for callers. */
const hiddenError = (cause: unknown) => new ConnectError("internal error", Code.Internal, undefined, undefined, cause);

const abortedError = () => new ConnectError("This operation was aborted", Code.Canceled);
let answered: ConnectError | undefined;
/** Returns the reason for the signals of answered calls. Each call that reads its signal ends with one, and a new error takes longest. */
const answeredError = () => (answered ??= abortedError());

/** Returns a signal that aborts once the client has left or has its answer, or once `shutdown` aborts. */
export function signalOf(res: HttpResponse, shutdown: AbortSignal | undefined): AbortSignal {
  const controller = new AbortController();
  const left = () => abort(("stream" in res ? res.stream : res).writableFinished ? answeredError() : abortedError());
  const shutDown = () => abort(shutdown?.reason);
  let forget = () => {};
  const abort = (reason: unknown) => {
    res.off("close", left);
    forget();
    controller.abort(reason);
  };
  if (isGone(res)) left();
  else if (shutdown?.aborted) shutDown();
  else {
    res.once("close", left);
    if (shutdown) forget = onAbort(shutdown, shutDown);
  }
  return controller.signal;
}
