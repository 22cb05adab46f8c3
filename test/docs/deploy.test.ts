import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { handOverIntervalMs, handOverLimitMs } from "../../src/app/hand-over.ts";
import { readConfig } from "../../src/config/config.ts";
import { variables } from "../../src/config/variables.ts";
import { startServer } from "../support/server.ts";

const root = new URL("../..", import.meta.url).pathname;
// The parser by which Puppeteer reads its configuration.
const yaml: { loadAll(text: string): unknown[] } = createRequire(import.meta.url)("js-yaml");

/** Number of sessions that a node in the examples can hand over before it is killed. */
const sessions = 1_000;
/** Time of a stop beside the hand-overs: the announcement, the end of calls, and the wait before the signal. */
const otherStopMs = 5_000 + 3_000 + 5_000;
const longestStopMs = sessions * handOverIntervalMs + handOverLimitMs + otherStopMs;

type Json = null | string | number | boolean | readonly Json[] | { readonly [key: string]: Json };

const textOf = (name: string) => readFile(join(root, "docs/deploy", name), "utf8");

/** Parses all documents of a file. They have nothing that JSON has not. */
async function read(name: string): Promise<Json[]> {
  return JSON.parse(JSON.stringify(yaml.loadAll(await textOf(name))));
}

/** Returns the value at a path, which has to be there. */
function at(value: Json | undefined, ...path: readonly (string | number)[]): Json {
  let found = value;
  for (const key of path) found = (found as Record<string | number, Json> | undefined)?.[key];
  assert.notEqual(found, undefined, path.join("."));
  return found as Json;
}

async function readKinds(): Promise<ReadonlyMap<Json, Json>> {
  return new Map(
    (await read("kubernetes.yaml")).map((object) => [
      `${at(object, "kind")} ${at(object, "metadata", "name")}`,
      object,
    ]),
  );
}

async function readPod() {
  const set = (await readKinds()).get("StatefulSet sessiond");
  const pod = at(set, "spec", "template", "spec");
  return { set, pod, container: at(pod, "containers", 0) };
}

/** Returns the statuses with which a server answers GET requests for paths. */
async function statusesOf(t: TestContext, paths: readonly string[]) {
  const { url } = await startServer(t);
  return Promise.all(paths.map(async (path) => (await fetch(`${url}${path}`)).status));
}

const nodesOf = (compose: Json | undefined) => ["node-1", "node-2"].map((name) => at(compose, "services", name));

describe("docs/deploy", () => {
  for (const name of ["compose.yaml", "kubernetes.yaml"]) {
    it(`${name} sets variables that exist`, async () => {
      const found = (await textOf(name)).match(/\b(?:SESSIOND|WAHA|WHATSAPP)_[A-Z_]+\b/g) ?? [];
      assert.ok(found.length > 0);
      for (const variable of found) assert.ok(Object.hasOwn(variables, variable), variable);
    });
  }

  it("kubernetes.yaml takes every secret from a Secret, and compose.yaml from the environment", async () => {
    const { container } = await readPod();
    const isSecret = (name: string) => variables[name as keyof typeof variables].isSecret || /KEY/.test(name);
    const env = at(container, "env") as readonly Json[];
    for (const entry of env.filter((one) => isSecret(String(at(one, "name")))))
      at(entry, "valueFrom", "secretKeyRef", "key");
    for (const node of nodesOf((await read("compose.yaml"))[0])) {
      for (const [name, value] of Object.entries(at(node, "environment") as object))
        if (isSecret(name)) assert.match(String(value), /\$\{\w+:\?\}/, name);
    }
  });

  it("both give each node a name of its own that stays", async () => {
    const { container } = await readPod();
    const named = (at(container, "env") as readonly Json[]).find((one) => at(one, "name") === "SESSIOND_NODE");
    assert.equal(at(named, "valueFrom", "fieldRef", "fieldPath"), "metadata.name");
    const names = nodesOf((await read("compose.yaml"))[0]).map((node) => at(node, "environment", "SESSIOND_NODE"));
    assert.equal(new Set(names).size, names.length);
  });

  it("both give settings that a server starts with, without a warning", async () => {
    const secrets: Readonly<Record<string, string>> = {
      SESSIOND_STORE: "postgres://user:password@host:5432/database?sslmode=verify-full",
      SESSIOND_SECRET_KEY: Buffer.alloc(32, 7).toString("base64"),
      WAHA_API_KEY: "secret",
      SESSIOND_NODE: "sessiond-0",
    };
    const { container } = await readPod();
    const entries = (at(container, "env") as readonly Json[]).map((one) => {
      const { name, value } = one as Readonly<Record<string, string>>;
      return [name ?? "", value ?? secrets[name ?? ""] ?? ""] as const;
    });
    const environments = [
      Object.fromEntries(entries),
      ...nodesOf((await read("compose.yaml"))[0]).map((node) => {
        const all = Object.entries(at(node, "environment") as Readonly<Record<string, string>>);
        return Object.fromEntries(
          all.map(([name, value]) => [
            name,
            value.startsWith("${") ? secrets[name] : value.replaceAll(/\$\{.+?\}/g, "secret"),
          ]),
        );
      }),
    ];
    for (const env of environments) {
      const { config } = await readConfig((path) => readFile(path, "utf8"), { SESSIOND_HOST: "0.0.0.0", ...env });
      assert.deepEqual([config.store, config.access, config.warnings], ["postgres", "key", []]);
    }
  });

  it("both let a node hand over its sessions before it is killed", async () => {
    const { pod } = await readPod();
    assert.ok(Number(at(pod, "terminationGracePeriodSeconds")) * 1_000 >= longestStopMs);
    for (const node of nodesOf((await read("compose.yaml"))[0])) {
      const [, minutes] = /^(\d+)m$/.exec(String(at(node, "stop_grace_period"))) ?? [];
      assert.ok(Number(minutes) * 60_000 >= longestStopMs);
    }
  });

  it("both probe paths that the server answers without a key", async (t) => {
    const { container } = await readPod();
    const probes = ["livenessProbe", "readinessProbe"].map((name) => at(container, name, "httpGet", "path"));
    const [, health = ""] = /health_uri (\S+)/.exec(await textOf("compose.yaml")) ?? [];
    assert.deepEqual([...probes, health], ["/ping", "/health", "/health"]);
    assert.deepEqual(await statusesOf(t, ["/ping", "/health"]), [200, 200]);
  });

  it("both send clients to the port of the image", async () => {
    const [, port = ""] = /^EXPOSE (\d+)$/m.exec(await readFile(join(root, "Dockerfile"), "utf8")) ?? [];
    const { container, pod } = await readPod();
    assert.equal(String(at(container, "ports", 0, "containerPort")), port);
    assert.equal(at(pod, "enableServiceLinks"), false, "the service would set variables");
    const services = [...(await readKinds())].filter(([kind]) => String(kind).startsWith("Service"));
    for (const [, service] of services) {
      assert.equal(at(service, "spec", "ports", 0, "targetPort"), at(container, "ports", 0, "name"));
    }
    const upstreams = (await textOf("compose.yaml")).match(/h2c:\/\/[\w-]+:\d+/g) ?? [];
    assert.deepEqual(
      upstreams,
      ["node-1", "node-2"].map((name) => `h2c://${name}:${port}`),
    );
  });

  it("kubernetes.yaml selects the pods that it makes, in all its objects", async () => {
    const { set, pod, container } = await readPod();
    const kinds = await readKinds();
    const labels = at(set, "spec", "template", "metadata", "labels");
    const selectors = [
      at(set, "spec", "selector", "matchLabels"),
      at(kinds.get("PodDisruptionBudget sessiond"), "spec", "selector", "matchLabels"),
      at(kinds.get("Service sessiond"), "spec", "selector"),
      at(kinds.get("Service sessiond-nodes"), "spec", "selector"),
      at(pod, "topologySpreadConstraints", 0, "labelSelector", "matchLabels"),
    ];
    for (const selector of selectors) assert.deepEqual(selector, labels);
    assert.ok(kinds.has(`Service ${at(set, "spec", "serviceName")}`));
    const claims = at(set, "spec", "volumeClaimTemplates", 0, "metadata", "name");
    assert.equal(at(container, "volumeMounts", 0, "name"), claims);
    assert.equal(at(container, "volumeMounts", 0, "mountPath"), "/app/.sessions");
  });
});
