import { create, type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

/** Returns the protos of services with all they import, each file after its imports, as a serialized FileDescriptorSet. */
export function descriptorSetOf(services: readonly DescService[]): Uint8Array {
  const files = new Set<DescFile>();
  const add = (file: DescFile): void => {
    if (files.has(file)) return;
    file.dependencies.forEach(add);
    files.add(file);
  };
  for (const { file } of services) add(file);
  return toBinary(
    FileDescriptorSetSchema,
    create(FileDescriptorSetSchema, { file: [...files].map(({ proto }) => proto) }),
  );
}
