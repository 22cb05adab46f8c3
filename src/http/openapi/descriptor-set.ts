import { create, type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

/** Returns the proto files of services with all files that they import, each file once and after its imports. */
export function filesOf(services: readonly DescService[]): DescFile[] {
  const files = new Set<DescFile>();
  const add = (file: DescFile): void => {
    if (files.has(file)) return;
    file.dependencies.forEach(add);
    files.add(file);
  };
  for (const { file } of services) add(file);
  return [...files];
}

/** Returns the proto files of services with all files that they import, as a serialized FileDescriptorSet. */
export function descriptorSetOf(services: readonly DescService[]): Uint8Array {
  return toBinary(
    FileDescriptorSetSchema,
    create(FileDescriptorSetSchema, { file: filesOf(services).map(({ proto }) => proto) }),
  );
}
