import { createRegistry, type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import type { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.js";
import type { ServerReflection as ServerReflectionV1Alpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.js";

/** A reflection request, in both versions. */
interface Request {
  readonly host: string;
  readonly messageRequest:
    | { case: "fileByFilename" | "fileContainingSymbol" | "allExtensionNumbersOfType" | "listServices"; value: string }
    | { case: "fileContainingExtension"; value: { containingType: string; extensionNumber: number } }
    | { case: undefined; value?: undefined };
}

/** Proto files of the services, indexed by name. */
class Protos {
  readonly #services: readonly DescService[];
  readonly #files: ReadonlyMap<string, DescFile>;
  readonly #registry;

  constructor(services: readonly DescService[]) {
    const files = new Map<string, DescFile>();
    const add = (file: DescFile): void => {
      if (files.has(file.proto.name)) return;
      files.set(file.proto.name, file);
      file.dependencies.forEach(add);
    };
    for (const { file } of services) add(file);
    this.#services = services;
    this.#files = files;
    this.#registry = createRegistry(...files.values());
  }

  names(): string[] {
    return this.#services.map(({ typeName }) => typeName);
  }

  byName(name: string): DescFile | undefined {
    return this.#files.get(name);
  }

  /** Returns the file that defines a type or service, or a field, method, value or extension inside one. */
  bySymbol(symbol: string): DescFile | undefined {
    const found = this.#registry.get(symbol);
    if (found) return found.file;
    const dot = symbol.lastIndexOf(".");
    const parent = this.#registry.get(symbol.slice(0, Math.max(dot, 0)));
    return parent && memberNames(parent).includes(symbol.slice(dot + 1)) ? parent.file : undefined;
  }

  byExtension(typeName: string, number: number): DescFile | undefined {
    const message = this.#registry.getMessage(typeName);
    return message && this.#registry.getExtensionFor(message, number)?.file;
  }

  /** Returns the numbers of all extensions of a message, or undefined if the message does not exist. */
  extensionNumbers(typeName: string): number[] | undefined {
    if (!this.#registry.getMessage(typeName)) return undefined;
    return [...this.#registry].flatMap((type) =>
      type.kind === "extension" && type.extendee.typeName === typeName ? [type.number] : [],
    );
  }

  /** Returns a file and its dependencies, serialized, the file first. */
  withDependencies(file: DescFile): Uint8Array[] {
    const all = new Set([file]);
    for (const one of all) for (const dependency of one.dependencies) all.add(dependency);
    return [...all].map((one) => toBinary(FileDescriptorProtoSchema, one.proto));
  }
}

function memberNames(parent: NonNullable<ReturnType<ReturnType<typeof createRegistry>["get"]>>): string[] {
  switch (parent.kind) {
    case "service":
      return parent.methods.map(({ name }) => name);
    case "message":
      return [...parent.fields, ...parent.oneofs].map(({ name }) => name);
    case "enum":
      return parent.values.map(({ name }) => name);
    case "extension":
      return [];
  }
}

const notFound = (what: string) =>
  ({ case: "errorResponse", value: { errorCode: Code.NotFound, errorMessage: `${what} not found` } }) as const;

function answerTo(protos: Protos, { messageRequest: asked }: Request) {
  const fileAnswer = (file: DescFile | undefined, what: string) =>
    file
      ? ({ case: "fileDescriptorResponse", value: { fileDescriptorProto: protos.withDependencies(file) } } as const)
      : notFound(what);
  switch (asked.case) {
    case "listServices":
      return {
        case: "listServicesResponse",
        value: { service: protos.names().map((name) => ({ name })) },
      } as const;
    case "fileByFilename":
      return fileAnswer(protos.byName(asked.value), asked.value);
    case "fileContainingSymbol":
      return fileAnswer(protos.bySymbol(asked.value), asked.value);
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = asked.value;
      return fileAnswer(protos.byExtension(containingType, extensionNumber), `${containingType} ${extensionNumber}`);
    }
    case "allExtensionNumbersOfType": {
      const extensionNumber = protos.extensionNumbers(asked.value);
      if (!extensionNumber) return notFound(asked.value);
      return {
        case: "allExtensionNumbersResponse",
        value: { baseTypeName: asked.value, extensionNumber },
      } as const;
    }
    case undefined:
      return {
        case: "errorResponse",
        value: { errorCode: Code.InvalidArgument, errorMessage: "message_request must be set" },
      } as const;
  }
}

async function* answers<T extends Request>(protos: Protos, requests: AsyncIterable<T>) {
  for await (const request of requests) {
    yield { validHost: request.host, originalRequest: request, messageResponse: answerTo(protos, request) };
  }
}

/** Creates grpc.reflection.v1 and its equal v1alpha for these services. */
export function createReflectionServices(services: readonly DescService[]): {
  v1: ServiceImpl<typeof ServerReflection>;
  v1alpha: ServiceImpl<typeof ServerReflectionV1Alpha>;
} {
  const protos = new Protos(services);
  return {
    v1: { serverReflectionInfo: (requests) => answers(protos, requests) },
    v1alpha: { serverReflectionInfo: (requests) => answers(protos, requests) },
  };
}
