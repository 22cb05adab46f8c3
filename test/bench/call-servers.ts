import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { get } from "node:http";
import { buffer } from "node:stream/consumers";
import { toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { GetSessionResponseSchema, SessionService } from "../../gen/sessiond/v1/session_service_pb.js";
import { installFastCurve } from "../../src/adapters/baileys/curve.ts";
import { pairFleet } from "../e2e/fleet.ts";
import { RestClient } from "../e2e/rest-client.ts";
import { ServerProcess } from "../e2e/server-process.ts";
import { startWhatsApp } from "../emulator/whatsapp.ts";
import type { BareAnswers, RawAnswer } from "./bare-server.ts";
import { apiKey, restPaths } from "./call-rows.ts";

/** A server that is measured. */
export interface Target {
  readonly pid: number;
  readonly port: number;
}

/** Starts a program of this folder, which ends with this process and does not keep it alive. */
export function startProgram(file: string): ChildProcess {
  const child = fork(new URL(file, import.meta.url), { serialization: "advanced" });
  child.unref();
  child.channel?.unref();
  return child;
}

/** Starts sessiond with stopped sessions that have been paired and configured. Returns it and the name of one. */
export async function startSessiond(count: number, nodeOptions: string) {
  // The emulator's phones sign a lot too.
  installFastCurve();
  await using stack = new AsyncDisposableStack();
  const whatsapp = await startWhatsApp();
  stack.defer(() => whatsapp.close());
  const env = { SESSIOND_NOWEB_URL: whatsapp.url, WAHA_API_KEY: apiKey, NODE_OPTIONS: nodeOptions };
  const server = stack.use(await ServerProcess.start(env));
  const rest = new RestClient(() => server.baseUrl, { "x-api-key": apiKey });
  const webhook = { url: "http://127.0.0.1:9/hook", events: ["message"], hmac: { key: "a-secret-key" } };
  const config = { metadata: { "user.id": "42", "user.plan": "pro" }, webhooks: [webhook] };
  const { names } = await pairFleet(whatsapp, rest, count, config);
  for (const name of names) await rest.post(`/api/sessions/${name}/stop`);
  // Pairing leaves things in memory.
  await server.kill("SIGTERM");
  await server.restart();
  const opened = stack.move();
  const target = { pid: server.pid ?? 0, port: Number(new URL(server.baseUrl).port) };
  return {
    target,
    baseUrl: server.baseUrl,
    session: names[0] ?? "",
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** Starts the servers that sessiond is compared with, each with sessiond's own answers. They end with this process. */
export async function startBareServers(baseUrl: string, session: string): Promise<Map<BareAnswers["kind"], Target>> {
  const paths = [restPaths.get(session), restPaths.list];
  const answers = new Map(
    await Promise.all(paths.map(async (path) => [path, await restAnswer(baseUrl, path)] as const)),
  );
  const message = await sessionMessage(baseUrl, session);
  const all: BareAnswers[] = [
    { kind: "node:http", answers },
    { kind: "connect-node, HTTP/1.1", message },
    { kind: "connect-node, h2c", message },
  ];
  return new Map(await Promise.all(all.map(async (bare) => [bare.kind, await startBare(bare)] as const)));
}

async function startBare(bare: BareAnswers): Promise<Target> {
  const child = startProgram("bare-server.ts");
  child.send(bare);
  const [{ port }] = await once(child, "message");
  return { pid: child.pid ?? 0, port };
}

const ownHeaders: ReadonlySet<string> = new Set(["date", "connection", "keep-alive"]);

/** Returns a REST answer, without the headers that node:http sends by itself. */
async function restAnswer(baseUrl: string, path: string): Promise<RawAnswer> {
  const [response] = await once(get(baseUrl + path, { headers: { "x-api-key": apiKey } }), "response");
  const headers: [string, string][] = [];
  for (let n = 0; n < response.rawHeaders.length; n += 2) {
    const [name, value] = response.rawHeaders.slice(n, n + 2);
    if (!ownHeaders.has(name.toLowerCase())) headers.push([name, value]);
  }
  const body = await buffer(response);
  if (response.statusCode !== 200) throw new Error(`${path} was answered with ${response.statusCode}: ${body}`);
  return { headers: headers.flat(), body };
}

async function sessionMessage(baseUrl: string, session: string): Promise<Uint8Array> {
  const client = createClient(SessionService, createConnectTransport({ baseUrl, httpVersion: "1.1" }));
  const answer = await client.getSession({ session }, { headers: { "x-api-key": apiKey } });
  return toBinary(GetSessionResponseSchema, answer);
}
