import type { TestContext } from "node:test";
import { create } from "@bufbuild/protobuf";
import { MeSchema, Session_Status as Status } from "../../gen/sessiond/v1/session_pb.js";
import { openHarness } from "./harness.ts";

const me = create(MeSchema, { id: "79111111@c.us", pushName: "WAHA" });

/** Opens a server with the WORKING session "default", which may send as fast as it can. */
export async function openWorking(t: TestContext) {
  const harness = await openHarness(t, { SESSIOND_SENDS_PER_SECOND: "0" });
  await harness.sessions.createSession({ name: "default", start: true });
  harness.engine().report({ type: "paired", me });
  harness.engine().report({ type: "opened", me });
  await harness.until("default", Status.WORKING);
  /** Sends bytes as they are, and returns the answer's JSON. */
  const request = async (
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body?: string | Uint8Array<ArrayBuffer>,
  ) => {
    const response = await fetch(`${harness.url}${path}`, { method, headers, ...(body !== undefined && { body }) });
    const text = await response.text();
    return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
  };
  const call = (method: string, path: string, body?: object, headers: Record<string, string> = {}) =>
    request(method, path, { "content-type": "application/json", ...headers }, body && JSON.stringify(body));
  return { ...harness, request, call };
}
