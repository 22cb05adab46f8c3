import {
  create,
  type DescMessage,
  type DescMethod,
  type DescMethodStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { ConnectError, type StreamResponse, type Transport, type UnaryResponse } from "@connectrpc/connect";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import {
  type ChannelCredentials,
  Client,
  type ClientOptions,
  Metadata,
  type MetadataValue,
  type ServiceError,
} from "@grpc/grpc-js";

type HeadersSource = ConstructorParameters<typeof Headers>[0];

/**
 * Creates a transport over @grpc/grpc-js, so that the same tests cover another implementation of gRPC. The caller must
 * close it.
 */
export function createGrpcJsTransport(address: string, credentials: ChannelCredentials, options: ClientOptions = {}) {
  const client = new Client(address, credentials, options);
  const callOptions = (timeoutMs: number | undefined) =>
    timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };

  const transport: Transport = {
    async unary<I extends DescMessage, O extends DescMessage>(
      method: DescMethodUnary<I, O>,
      signal: AbortSignal | undefined,
      timeoutMs: number | undefined,
      header: HeadersSource,
      input: MessageInitShape<I>,
    ): Promise<UnaryResponse<I, O>> {
      const answer = { header: new Headers(), trailer: new Headers() };
      const message = await new Promise<Buffer>((resolve, reject) => {
        const call = client.makeUnaryRequest(
          pathOf(method),
          (bytes: Buffer) => bytes,
          (bytes: Buffer) => bytes,
          bytesOf(method.input, input),
          metadataOf(header),
          callOptions(timeoutMs),
          (error, bytes) => (error || !bytes ? reject(errorOf(error)) : resolve(bytes)),
        );
        call.on("metadata", (metadata) => copy(metadata, answer.header));
        call.on("status", ({ metadata }) => copy(metadata, answer.trailer));
        signal?.addEventListener("abort", () => call.cancel(), { once: true });
      });
      // The status arrives right after the message.
      await new Promise(setImmediate);
      const { parent: service } = method;
      return { stream: false, service, method, ...answer, message: fromBinary(method.output, message) };
    },

    async stream<I extends DescMessage, O extends DescMessage>(
      method: DescMethodStreaming<I, O>,
      signal: AbortSignal | undefined,
      timeoutMs: number | undefined,
      header: HeadersSource,
      input: AsyncIterable<MessageInitShape<I>>,
    ): Promise<StreamResponse<I, O>> {
      const answer = { header: new Headers(), trailer: new Headers() };
      const call = client.makeBidiStreamRequest(
        pathOf(method),
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        metadataOf(header),
        callOptions(timeoutMs),
      );
      call.on("metadata", (metadata) => copy(metadata, answer.header));
      call.on("status", ({ metadata }) => copy(metadata, answer.trailer));
      signal?.addEventListener("abort", () => call.cancel(), { once: true });
      void (async () => {
        for await (const message of input) call.write(bytesOf(method.input, message));
        call.end();
      })();
      async function* messages() {
        try {
          for await (const bytes of call) yield fromBinary(method.output, bytes as Buffer);
        } catch (error) {
          throw errorOf(error);
        }
      }
      const { parent: service } = method;
      return { stream: true, service, method, ...answer, message: messages() };
    },
  };
  return { transport, close: () => client.close() };
}

const pathOf = ({ parent, name }: DescMethod) => `/${parent.typeName}/${name}`;

const bytesOf = <I extends DescMessage>(desc: I, input: MessageInitShape<I>): Buffer =>
  Buffer.from(toBinary(desc, create(desc, input)));

function metadataOf(header: HeadersSource): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of new Headers(header)) {
    metadata.add(name, name.endsWith("-bin") ? Buffer.from(value, "base64") : value);
  }
  return metadata;
}

function copy(metadata: Metadata, headers: Headers): void {
  for (const key of Object.keys(metadata.getMap())) {
    for (const value of metadata.get(key)) headers.append(key, textOf(value));
  }
}

const textOf = (value: MetadataValue) =>
  typeof value === "string" ? value : value.toString("base64").replaceAll("=", "");

/** Converts an error as connect's own clients do from trailers. */
function errorOf(thrown: unknown): ConnectError {
  const { code, details, metadata } = thrown as ServiceError;
  const trailer = new Headers();
  copy(metadata, trailer);
  trailer.set("grpc-status", String(code));
  trailer.set("grpc-message", encodeURIComponent(details));
  return findTrailerError(trailer) ?? new ConnectError("no error");
}
