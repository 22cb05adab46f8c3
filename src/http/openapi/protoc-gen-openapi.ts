// Plugin of protoc, run by `buf generate`. Writes openapi.json for the services of the given files.
import { create, createFileRegistry } from "@bufbuild/protobuf";
import {
  type CodeGeneratorRequest,
  CodeGeneratorResponse_Feature,
  CodeGeneratorResponseSchema,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";
import { getComments, runNodeJs } from "@bufbuild/protoplugin";
import packageJson from "../../../package.json" with { type: "json" };
import { type CommentReader, commentText } from "./comment.ts";
import { createDocument } from "./document.ts";

const { name: title, description, version, license } = packageJson;

const commentOf: CommentReader = (desc) => commentText(getComments(desc).leading ?? "");

function run(request: CodeGeneratorRequest) {
  const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: request.protoFile }));
  const services = request.fileToGenerate.flatMap((path) => registry.getFile(path)?.services ?? []);
  const info = { title, version, description, license: { name: license, identifier: license } };
  const document = createDocument({ info, services, commentOf });
  return create(CodeGeneratorResponseSchema, {
    supportedFeatures: BigInt(CodeGeneratorResponse_Feature.PROTO3_OPTIONAL),
    file: [{ name: "openapi.json", content: `${JSON.stringify(document, undefined, 2)}\n` }],
  });
}

runNodeJs({ name: "protoc-gen-openapi", version, run });
