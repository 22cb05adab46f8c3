import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import type { DescService } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import { SessionService } from "../../../gen/sessiond/v1/session_service_pb.js";
import { type DialectNames, dialectNames } from "../../../src/http/dialect.ts";
import { readHttpBindings } from "../../../src/http/rest/http-rules.ts";
import { resolveDialect } from "../../../src/http/rest/resolve-dialect.ts";
import { createRest } from "../../../src/http/rest/transcoder.ts";
import { allServices } from "../../e2e/every-call.ts";

describe("the dialect", () => {
  let services: readonly DescService[] = [];
  before(async () => {
    services = await allServices();
  });

  it("names only messages and fields of the protos", () => {
    const dialect = resolveDialect(services);
    for (const list of Object.keys(dialectNames) as (keyof DialectNames)[]) {
      const found = [...dialect[list]].map((desc) =>
        desc.kind === "field" ? `${desc.parent.typeName}.${desc.name}` : desc.typeName,
      );
      assert.deepEqual(found, dialectNames[list], list);
    }
  });

  it("has an id and a field to resume by for every stream", () => {
    const { streamIds, resumeFields } = resolveDialect(services);
    const streams = readHttpBindings(services).filter(({ rpc }) => rpc.methodKind === "server_streaming");
    assert.ok(streams.length > 0);
    for (const { rpc } of streams) {
      assert.ok(
        rpc.output.fields.some((field) => streamIds.has(field)),
        `${rpc} has no id`,
      );
      assert.ok(
        rpc.input.fields.some((field) => resumeFields.has(field)),
        `${rpc} cannot be resumed`,
      );
    }
  });

  const renamed: readonly (readonly [list: keyof DialectNames, name: string, fault: RegExp])[] = [
    ["nullWhenUnset", "sessiond.v1.Session.self", /nullWhenUnset: there is no field sessiond\.v1\.Session\.self$/],
    ["shownWhenDefault", "sessiond.v1.Sesion.name", /shownWhenDefault: there is no field sessiond\.v1\.Sesion\.name$/],
    ["shownWhenDefault", "name", /shownWhenDefault: there is no field name$/],
    [
      "streamIds",
      "sessiond.v1.StreamEventsResponse.id",
      /streamIds: there is no field sessiond\.v1\.StreamEventsR\w+\.id$/,
    ],
    [
      "streamIds",
      "sessiond.v1.StatusStreamResponse.name",
      /streamIds: the type of sessiond\.v1\.S\w+\.name is not uint64$/,
    ],
    ["resumeFields", "sessiond.v1.StreamEventsRequest.after", /resumeFields: there is no field sessiond\.\S+\.after$/],
    ["resumeFields", "sessiond.v1.AckEventsRequest.consumer", /resumeFields: the type of sessiond\.\S+ is not uint64$/],
    ["formRequests", "sessiond.v1.RequestCode", /formRequests: there is no message sessiond\.v1\.RequestCode$/],
  ];
  for (const [list, name, fault] of renamed) {
    it(`is refused with ${name} among its ${list}`, () => {
      assert.throws(() => resolveDialect(services, { ...dialectNames, [list]: [...dialectNames[list], name] }), fault);
    });
  }

  it("is refused with all faults at once", () => {
    const names = { ...dialectNames, formRequests: ["a.A"], nullWhenUnset: ["a.A.b", "sessiond.v1.Session.me"] };
    assert.throws(
      () => resolveDialect(services, names),
      /nullWhenUnset: there is no field a\.A\.b\nformRequests: .*a\.A$/,
    );
  });

  it("keeps REST from starting without the protos that it names", () => {
    const routes = (router: ConnectRouter) => {
      for (const service of services) router.service(service, {});
    };
    assert.throws(
      () => createRest({ services: [SessionService], routes }),
      /there is no field sessiond\.v1\.ListDeliveriesResponse\.deliveries/,
    );
    createRest({ services, routes });
  });
});
