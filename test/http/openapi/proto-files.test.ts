import assert from "node:assert/strict";
import { globSync } from "node:fs";
import { resolve } from "node:path";
import { describe, it } from "node:test";
import { load } from "@grpc/proto-loader";

const root = resolve(import.meta.dirname, "../../..");
const directory = resolve(root, "proto");
const includeDirs = [directory, resolve(root, "node_modules/google-proto-files")];

describe("clients that load the protos with @grpc/proto-loader", () => {
  for (const file of globSync("sessiond/v1/*_service.proto", { cwd: directory }).toSorted()) {
    it(`find the service of ${file}`, async () => {
      const services = Object.keys(await load(file, { includeDirs })).filter((name) =>
        /^sessiond\.v1\.\w+Service$/.test(name),
      );
      assert.equal(services.length, 1);
    });
  }
});
