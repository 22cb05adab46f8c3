import assert from "node:assert/strict";
import { it } from "node:test";
import { type Client, credentials, loadPackageDefinition, type ServiceError, status } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { openHarness } from "./harness.ts";

type Answer = Record<string, unknown>;
type Call = (request: Answer, done: (error: ServiceError | null, answer: Answer) => void) => void;
type Stream = (request: Answer) => AsyncIterable<Answer> & { cancel(): void };
type Dynamic = Client & Record<string, Call & Stream>;
interface Services {
  readonly sessiond: { readonly v1: Record<string, new (address: string, creds: unknown) => Dynamic> };
}

const root = new URL("../..", import.meta.url).pathname;

/** Connects a client that knows only the .proto files, like one in another language. */
function connect(service: string, baseUrl: string) {
  const definition = loadSync(["sessiond/v1/session_service.proto", "sessiond/v1/auth_service.proto"], {
    includeDirs: [`${root}/proto`, `${root}/node_modules/google-proto-files`],
    enums: String,
    longs: String,
    oneofs: true,
  });
  const services = loadPackageDefinition(definition) as unknown as Services;
  const Service = services.sessiond.v1[service];
  if (!Service) throw new Error(`no ${service}`);
  const client = new Service(new URL(baseUrl).host, credentials.createInsecure());
  return {
    call: (method: string, request: Answer) =>
      new Promise<Answer>((resolve, reject) => {
        client[method]?.(request, (error, answer) => (error ? reject(error) : resolve(answer)));
      }),
    stream: (method: string, request: Answer) => {
      const open = client[method];
      if (!open) throw new Error(`no ${method}`);
      return open.call(client, request) as unknown as ReturnType<Stream>;
    },
    [Symbol.dispose]: () => client.close(),
  };
}

it("a session reaches WORKING for a gRPC client that has only the .proto files", async () => {
  await using harness = await openHarness();
  using sessions = connect("SessionService", harness.server.baseUrl);
  using auth = connect("AuthService", harness.server.baseUrl);
  const phone = harness.whatsapp.phone();

  const { session } = await sessions.call("CreateSession", { name: "alice" });
  assert.equal((session as Answer).status, "STARTING");
  const statuses: unknown[] = [];
  const watched = (async () => {
    const stream = sessions.stream("StatusStream", { session: "alice" });
    for await (const change of stream) {
      statuses.push(change.status);
      if (change.status === "WORKING") break;
    }
  })();
  let outcome: Answer | undefined;
  for await (const item of auth.stream("QrStream", { session: "alice" })) {
    if (item.item === "qr") await phone.scan(String((item.qr as Answer).value));
    if (item.item === "outcome") outcome = item.outcome as Answer;
  }
  assert.equal(outcome?.result, "RESULT_PAIRED");
  assert.equal((outcome?.me as Answer | undefined)?.id, `${phone.number}@c.us`);
  await watched;
  assert.deepEqual(statuses.slice(-2), ["STARTING", "WORKING"]);

  const { me } = await sessions.call("GetMe", { session: "alice" });
  assert.equal((me as Answer).id, `${phone.number}@c.us`);
  await sessions.call("DeleteSession", { session: "alice" });
  await assert.rejects(sessions.call("GetSession", { session: "alice" }), { code: status.NOT_FOUND });
  assert.equal(phone.devices.length, 0);
});

it("bad input over gRPC is refused with its fields and creates nothing", async () => {
  await using harness = await openHarness();
  using sessions = connect("SessionService", harness.server.baseUrl);
  for (const name of ["a/b", "..", "a\0b", "x".repeat(55), "ü", "start"]) {
    await assert.rejects(sessions.call("CreateSession", { name }), (error: ServiceError) => {
      assert.equal(error.code, status.INVALID_ARGUMENT);
      assert.match(error.details, /^name /);
      assert.ok(error.metadata.get("grpc-status-details-bin").length > 0);
      return true;
    });
  }
  const { sessions: all } = await sessions.call("ListSessions", { all: true });
  assert.equal(all, undefined);
});
