import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { ServerReflection, type ServerReflectionRequestSchema } from "../../gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionV1Alpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.js";
import { SessionService } from "../../gen/sessiond/v1/session_service_pb.js";
import { createReflectionServices } from "../../src/api/reflection-service.ts";

const { v1, v1alpha } = createReflectionServices([SessionService, ServerReflection]);
const transport = createRouterTransport((router) => {
  router.service(ServerReflection, v1).service(ServerReflectionV1Alpha, v1alpha);
});
const clients = {
  v1: createClient(ServerReflection, transport),
  v1alpha: createClient(ServerReflectionV1Alpha, transport),
};

type Question = Pick<MessageInitShape<typeof ServerReflectionRequestSchema>, "messageRequest">;

for (const [version, client] of Object.entries(clients)) {
  describe(`server reflection ${version}`, () => {
    async function ask(...questions: Question[]) {
      const requests = async function* () {
        yield* questions as never[];
      };
      const answers = [];
      for await (const { messageResponse } of client.serverReflectionInfo(requests())) answers.push(messageResponse);
      return answers;
    }
    const filesOf = (answer: Awaited<ReturnType<typeof ask>>[number] | undefined) =>
      answer?.case === "fileDescriptorResponse"
        ? answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes))
        : [];

    it("lists the services, in one stream with other answers", async () => {
      const [services, file] = await ask(
        { messageRequest: { case: "listServices", value: "" } },
        { messageRequest: { case: "fileByFilename", value: "sessiond/v1/session.proto" } },
      );
      assert.deepEqual(services?.case === "listServicesResponse" && services.value.service.map(({ name }) => name), [
        "sessiond.v1.SessionService",
        "grpc.reflection.v1.ServerReflection",
      ]);
      assert.equal(filesOf(file)[0]?.name, "sessiond/v1/session.proto");
    });

    it("finds the file of a symbol, with all dependencies", async () => {
      const symbols = [
        "sessiond.v1.SessionService",
        "sessiond.v1.SessionService.StatusStream",
        "sessiond.v1.StatusStreamRequest",
        "sessiond.v1.StatusStreamRequest.until",
        "sessiond.v1.StatusStreamResponse.Kind",
      ];
      const answers = await ask(
        ...symbols.map((value) => ({ messageRequest: { case: "fileContainingSymbol", value } }) as const),
      );
      for (const answer of answers) {
        const files = filesOf(answer);
        assert.equal(files[0]?.name, "sessiond/v1/session_service.proto");
        const names = new Set(files.map(({ name }) => name));
        for (const file of files)
          for (const dependency of file.dependency) assert.ok(names.has(dependency), dependency);
      }
    });

    it("finds extensions and their numbers", async () => {
      const [file, numbers] = await ask(
        {
          messageRequest: {
            case: "fileContainingExtension",
            value: { containingType: "google.protobuf.MethodOptions", extensionNumber: 72295728 },
          },
        },
        { messageRequest: { case: "allExtensionNumbersOfType", value: "google.protobuf.MethodOptions" } },
      );
      assert.equal(filesOf(file)[0]?.name, "google/api/annotations.proto");
      assert.ok(numbers?.case === "allExtensionNumbersResponse");
      // google.api.http, then the options of sessiond/api/v1/annotations.proto.
      assert.deepEqual(numbers.value.extensionNumber, [72295728, 50101, 50102, 50103, 50104, 50105, 50106]);
    });

    it("reports unknown names", async () => {
      const answers = await ask(
        { messageRequest: { case: "fileByFilename", value: "nothing.proto" } },
        { messageRequest: { case: "fileContainingSymbol", value: "no.Such" } },
        { messageRequest: { case: "allExtensionNumbersOfType", value: "no.Such" } },
        { messageRequest: { case: undefined } },
      );
      assert.deepEqual(
        answers.map((answer) => answer.case === "errorResponse" && answer.value.errorCode),
        [5, 5, 5, 3],
      );
    });
  });
}
