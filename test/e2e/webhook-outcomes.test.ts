import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { openHttpProxy } from "../adapters/undici/http-proxy.ts";
import { cert, key } from "../support/localhost-certificate.ts";
import { nodeOptions } from "../support/node-options.ts";
import { openReceiver } from "../support/webhook-receiver.ts";
import { type Json, RestClient } from "./rest-client.ts";
import { ServerProcess } from "./server-process.ts";
import { WebhookInbox } from "./webhook-inbox.ts";

const main = new URL("../../src/main.ts", import.meta.url).pathname;

/** Opens a server with a session "alice" that has these webhooks. */
async function openAlice(webhooks: readonly object[], env: Record<string, string> = {}) {
  const server = await ServerProcess.start(env);
  const rest = new RestClient(() => server.baseUrl);
  const created = await rest.post("/api/sessions", { name: "alice", start: false, config: { webhooks } });
  assert.equal(created.status, 201);
  const list = async () =>
    (await rest.get("/api/sessions/alice/webhooks/deliveries")).body.deliveries as unknown as Json[];
  return {
    server,
    rest,
    /** Sends a test event. Resolves with all deliveries once they are settled. */
    async test(): Promise<Json[]> {
      assert.equal((await rest.post("/api/sessions/alice/webhooks/test", {})).status, 201);
      for (;;) {
        const deliveries = await list();
        if (deliveries.every(({ state }) => ["DELIVERED", "FAILED"].includes(String(state)))) return deliveries;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    session: async (method: string, path: string, body?: object) => (await rest.call(method, path, body)).body,
    [Symbol.asyncDispose]: () => server.stop(),
  };
}

/** Starts a server that must refuse to start. Resolves with the last line of its output. */
async function refusedStart(env: Record<string, string>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "sessiond-e2e-"));
  try {
    const child = spawn(process.execPath, [...nodeOptions, main], {
      env: { PATH: process.env.PATH ?? "", PORT: "0", WAHA_LOCAL_STORE_BASE_DIR: directory, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let said = "";
    child.stdout.on("data", (chunk) => (said += chunk));
    child.stderr.on("data", (chunk) => (said += chunk));
    const [code] = await once(child, "close");
    assert.equal(code, 1, said);
    return said.trim();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const retries = { attempts: 0 };

describe("a disabled endpoint", () => {
  it("is shown in the session's answers until the session is configured anew", async () => {
    await using inbox = await WebhookInbox.open();
    await using other = await WebhookInbox.open();
    const webhooks = [
      { url: inbox.url, events: ["*"], retries },
      { url: other.url, events: ["*"], retries },
    ];
    await using alice = await openAlice(webhooks);
    assert.deepEqual((await alice.session("GET", "/api/sessions/alice")).disabledWebhooks, undefined);
    inbox.status = 410;
    await alice.test();
    const isShown = (session: Json = {}) => {
      const [disabled, ...more] = session.disabledWebhooks as unknown as Json[];
      assert.deepEqual([disabled?.url, disabled?.disabledReason, more.length], [inbox.url, "answered 410", 0]);
      assert.ok(Date.parse(String(disabled?.nextProbeAt)) > Date.now());
    };
    isShown(await alice.session("GET", "/api/sessions/alice"));
    isShown((await alice.session("GET", "/api/sessions?all=true"))[0]);
    await alice.server.kill();
    await alice.server.restart();
    isShown(await alice.session("GET", "/api/sessions/alice"));
    isShown(await alice.session("POST", "/api/sessions/alice/stop"));
    inbox.status = 200;
    const put = await alice.session("PUT", "/api/sessions/alice", { config: { webhooks } });
    assert.deepEqual(put.disabledWebhooks, undefined);
    const resent = await alice.rest.post("/api/sessions/alice/webhooks/resend-failed", {});
    assert.deepEqual(resent.body, { resent: 1 });
    await inbox.until((taken) => taken[0]);
    await alice.server.kill();
    await alice.server.restart();
    assert.deepEqual((await alice.session("GET", "/api/sessions/alice")).disabledWebhooks, undefined);
  });
});

describe("a webhook configured for the session and globally", () => {
  it("is posted once, also to an internal address that the session alone could not use", async () => {
    await using inbox = await WebhookInbox.open();
    const url = inbox.url.replace("http://127.0.0.1", "HTTP://127.0.0.1");
    const env = { WHATSAPP_HOOK_URL: inbox.url, WHATSAPP_HOOK_EVENTS: "message", SESSIOND_WEBHOOK_GUARD: "true" };
    await using alice = await openAlice([{ url, events: ["session.status"], retries }], env);
    const deliveries = await alice.test();
    assert.deepEqual([deliveries.length, deliveries[0]?.state, inbox.taken.length], [1, "DELIVERED", 1]);
  });
});

describe("a redirect", () => {
  it("is explained in the delivery's log, with the setting to change", async () => {
    await using receiver = await openReceiver((response) =>
      response.writeHead(308, { Location: "https://user:secret@www.hooks.test/secret?token=secret" }).end(),
    );
    await using alice = await openAlice([{ url: receiver.origin, events: ["*"], retries }]);
    const [delivery = {} as Json] = await alice.test();
    const words =
      "redirects are not followed: configure the final address, which is at https://www.hooks.test, as the webhook's URL";
    assert.equal(delivery.reason, `answered 308: ${words}`);
    const [attempt] = delivery.attempts as unknown as Json[];
    assert.deepEqual([attempt?.status, attempt?.error], [308, words]);
  });
});

describe("a connection that the receiver closes during the next request", () => {
  it("costs no attempt", async () => {
    const ids: unknown[] = [];
    const used = new WeakSet<object>();
    await using receiver = await openReceiver((response, { headers }) => {
      ids.push(headers["x-webhook-request-id"]);
      if (response.socket && used.has(response.socket)) return void response.socket.resetAndDestroy();
      if (response.socket) used.add(response.socket);
      response.end();
    });
    await using alice = await openAlice([{ url: receiver.origin, events: ["*"], retries }]);
    let deliveries: Json[] = [];
    while (new Set(ids).size === ids.length) deliveries = await alice.test();
    for (const { state, attemptCount, attempts } of deliveries) {
      assert.deepEqual([state, attemptCount, (attempts as unknown as Json[]).length], ["DELIVERED", 1, 1]);
    }
  });
});

describe("webhooks of a server with a proxy in its environment", () => {
  it("use the proxy, bypass it for NO_PROXY, and never show its login", async () => {
    await using proxy = await openHttpProxy();
    await using receiver = await openReceiver();
    const url = `http://ann:hidden-word@127.0.0.1:${proxy.port}`;
    const webhooks = [
      { url: `http://hooks.test:${receiver.port}/through`, events: ["*"], retries },
      { url: `http://localhost:${receiver.port}/past`, events: ["*"], retries },
    ];
    await using alice = await openAlice(webhooks, { HTTP_PROXY: url, no_proxy: "localhost", WAHA_LOG_LEVEL: "debug" });
    const deliveries = await alice.test();
    assert.deepEqual(
      deliveries.map(({ state }) => state),
      ["DELIVERED", "DELIVERED"],
    );
    assert.deepEqual(
      proxy.requests.map(({ target }) => target),
      [`http://hooks.test:${receiver.port}/through`],
    );
    assert.equal(alice.server.log.join("\n").includes("hidden-word"), false);
  });

  it("name the proxy as the source of its refusal", async () => {
    await using proxy = await openHttpProxy({
      onConnect: (socket) => socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"),
    });
    const webhooks = [{ url: "https://hooks.test/", events: ["*"], retries }];
    await using alice = await openAlice(webhooks, { https_proxy: proxy.url });
    const [delivery] = await alice.test();
    assert.equal(delivery?.reason, `the proxy ${proxy.shown} answered 403 to CONNECT`);
  });

  for (const [name, value] of [
    ["HTTP_PROXY", "socks5://ann:hidden-word@proxy.test:1080"],
    ["https_proxy", "http://ann:hidden-word@proxy.test:99999"],
  ] as const) {
    it(`do not start with ${name} malformed`, async () => {
      const said = await refusedStart({ [name]: value });
      assert.match(said, new RegExp(`^sessiond: ${name} must be the URL of an HTTP proxy`));
      assert.equal(said.includes("hidden-word"), false);
    });
  }

  it("do not start with NO_PROXY malformed", async () => {
    const said = await refusedStart({ HTTPS_PROXY: "proxy.test:3128", NO_PROXY: "localhost,http://a.test" });
    assert.match(said, /^sessiond: NO_PROXY has "http:\/\/a.test"/);
  });
});

describe("a receiver with a certificate of a private authority", () => {
  for (const isTrusted of [true, false]) {
    it(`is ${isTrusted ? "reached with" : "refused without"} NODE_EXTRA_CA_CERTS`, async () => {
      const receiver = createTlsServer({ key, cert }, (_, response) => response.end());
      receiver.listen(0, "127.0.0.1");
      await once(receiver, "listening");
      const directory = await mkdtemp(join(tmpdir(), "sessiond-ca-"));
      const file = join(directory, "ca.pem");
      await writeFile(file, cert);
      try {
        const url = `https://localhost:${(receiver.address() as AddressInfo).port}/`;
        const env: Record<string, string> = isTrusted ? { NODE_EXTRA_CA_CERTS: file } : {};
        await using alice = await openAlice([{ url, events: ["*"], retries }], env);
        const [delivery] = await alice.test();
        const reason = isTrusted ? undefined : "TLS certificate not accepted";
        assert.deepEqual([delivery?.state, delivery?.reason], [isTrusted ? "DELIVERED" : "FAILED", reason]);
      } finally {
        receiver.close();
        receiver.closeAllConnections();
        await rm(directory, { recursive: true });
      }
    });
  }
});
