import { create, type DescService, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { filesOf } from "../rest/fields.ts";

/** Returns the proto files of services with all files that they import, as a serialized FileDescriptorSet. */
export function descriptorSetOf(services: readonly DescService[]): Uint8Array {
  return toBinary(
    FileDescriptorSetSchema,
    create(FileDescriptorSetSchema, { file: filesOf(services).map(({ proto }) => proto) }),
  );
}
