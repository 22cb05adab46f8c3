import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, toBinary, toJson } from "@bufbuild/protobuf";
import { build } from "esbuild";
import { EventSchema } from "../../gen/sessiond/v1/event_pb.js";
import { Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import { ListSessionsRequestSchema } from "../../gen/sessiond/v1/session_service_pb.js";
import { slimDescriptors } from "../../src/commands/slim-descriptors.ts";

/** A bundle for these tests. `rewrite` reads a message of the named schema and writes it again. */
interface Bundle {
  readonly size: number;
  rewrite(schema: string, bytes: Uint8Array): { readonly bytes: Uint8Array; readonly json: unknown };
}

const entry = `
  import { fromBinary, toBinary, toJson } from "@bufbuild/protobuf";
  import { EventSchema } from "./gen/sessiond/v1/event_pb.js";
  import { ListSessionsRequestSchema } from "./gen/sessiond/v1/session_service_pb.js";
  const schemas = { EventSchema, ListSessionsRequestSchema };
  export const rewrite = (name, bytes) => {
    const message = fromBinary(schemas[name], bytes);
    return { bytes: toBinary(schemas[name], message), json: toJson(schemas[name], message) };
  };
`;

async function bundleWith(plugins: (typeof slimDescriptors)[]): Promise<Bundle> {
  const resolveDir = new URL("../..", import.meta.url).pathname;
  const options = { bundle: true, minify: true, format: "esm", write: false, plugins } as const;
  const { outputFiles } = await build({ stdin: { contents: entry, resolveDir }, ...options });
  const [output] = outputFiles;
  assert.ok(output);
  const url = `data:text/javascript;base64,${Buffer.from(output.contents).toString("base64")}`;
  return { ...(await import(url)), size: output.contents.length };
}

describe("the descriptors of the dashboard's bundle", () => {
  const messages = {
    ListSessionsRequestSchema: [
      ListSessionsRequestSchema,
      create(ListSessionsRequestSchema, {
        query: "a",
        metadata: { team: "red" },
        status: [Status.FAILED, Status.STOPPED],
        pageSize: 10,
      }),
    ],
    EventSchema: [
      EventSchema,
      create(EventSchema, {
        seq: 7n,
        metadata: { key: "value" },
        payload: { case: "message", value: { body: "text", data: { list: [1, { deep: true }] } } },
      }),
    ],
  } as const;

  for (const [name, [schema, message]] of Object.entries(messages)) {
    it(`read and write a message as the whole ones do (${name})`, async () => {
      const bundle = await bundleWith([slimDescriptors]);
      const bytes = toBinary<typeof schema>(schema, message);
      const again = bundle.rewrite(name, bytes);
      assert.deepEqual(again.bytes, bytes);
      assert.deepEqual(again.json, toJson<typeof schema>(schema, message));
    });
  }

  it("are much smaller, because routes and documentation are left out", async () => {
    const [slim, whole] = [await bundleWith([slimDescriptors]), await bundleWith([])];
    assert.ok(whole.size - slim.size > 5_000, `${whole.size} B, and slim ${slim.size} B`);
  });
});
