import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, symlink, watch } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { type Owner, temporaryDirectory } from "./start.ts";

const root = new URL("../../", import.meta.url).pathname;

/** Writes the files and built-in modules that a process has loaded when it is told to stop. */
const reportLoads = `
  import { registerHooks } from "node:module";
  const urls = [];
  registerHooks({ load: (url, context, next) => (urls.push(url), next(url, context)) });
  process.once("SIGTERM", () => console.log(JSON.stringify({ loaded: [...urls, ...process.moduleLoadList] })));
`;

/** Modules that a process has loaded. */
export interface Loads {
  /** Returns true if a file of this npm package was loaded. */
  has(packageName: string): boolean;
  /** True if the types of some file were stripped. */
  readonly strippedTypes: boolean;
  /** True if Node's own undici was loaded. */
  readonly nodeUndici: boolean;
}

/** A running server of an installation. */
export interface Run {
  readonly baseUrl: string;
  /** Stops it in order. */
  stop(): Promise<Loads>;
  kill(): Promise<void>;
}

/** Returns the text of the Dockerfile. */
export const readDockerfile = (): Promise<string> => readFile(join(root, "Dockerfile"), "utf8");

/** Copy of the program with a compile cache of its own. The libraries are links to those of this repository. */
export class Installation {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async create(t: Owner): Promise<Installation> {
    const directory = await temporaryDirectory(t);
    for (const name of ["src", "gen", "package.json"]) {
      await cp(join(root, name), join(directory, name), { recursive: true });
    }
    await mkdir(join(directory, "node_modules"));
    for (const name of await readdir(join(root, "node_modules"))) {
      if (name.startsWith(".")) continue;
      await symlink(join(root, "node_modules", name), join(directory, "node_modules", name));
    }
    return new Installation(directory);
  }

  /** Copy with the program that the image runs, made by the commands of the Dockerfile. No user but root can write to it. */
  static async createImage(t: Owner): Promise<Installation> {
    const image = await Installation.create(t);
    for (const name of ["tsconfig.json", "tsconfig.image.json"]) {
      await cp(join(root, name), join(image.directory, name));
    }
    const [, commands = ""] = /^RUN (node_modules\/.bin\/tsc (?:.*\\\n)*.*)$/m.exec(await readDockerfile()) ?? [];
    await symlink(join(root, "node_modules/.bin"), join(image.directory, "node_modules/.bin"));
    const PATH = [dirname(process.execPath), process.env.PATH].join(delimiter);
    await promisify(execFile)("sh", ["-ec", commands], { cwd: image.directory, env: { ...process.env, PATH } });
    return image;
  }

  get cacheDirectory(): string {
    return join(this.directory, "node_modules/.cache/sessiond");
  }

  /** Paths of the files in the cache. */
  async cachedFiles(): Promise<string[]> {
    const entries = await readdir(this.cacheDirectory, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  }

  /** Resolves when this many files have been written to the cache from now on. The cache's directory must exist. */
  async untilWritten(count: number): Promise<void> {
    const [version = ""] = await readdir(this.cacheDirectory);
    const names = new Set<string>();
    for await (const { filename } of watch(join(this.cacheDirectory, version))) {
      // Files have a suffix while they are being written.
      if (filename !== null && /^[0-9a-f]{8}$/.test(filename)) names.add(filename);
      if (names.size >= count) return;
    }
  }

  /** Starts the server on an empty store by the command of `npm start` or by these arguments, and waits until it listens. */
  async start(
    env: Readonly<Record<string, string>> = {},
    { uid, args }: { uid?: number | undefined; args?: readonly string[] } = {},
  ): Promise<Run> {
    const store = await mkdtemp(join(this.directory, "sessions-"));
    await chmod(store, 0o777);
    const child = spawn(process.execPath, args ?? (await this.#startArguments()), {
      cwd: this.directory,
      env: {
        PATH: process.env.PATH ?? "",
        NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(reportLoads)}`,
        PORT: "0",
        WAHA_LOCAL_STORE_BASE_DIR: store,
        WAHA_LOG_FORMAT: "JSON",
        WAHA_PRINT_QR: "false",
        ...env,
      },
      stdio: ["ignore", "pipe", "inherit"],
      ...(uid !== undefined && { uid, gid: uid }),
    });
    return runOf(child);
  }

  async #startArguments(): Promise<readonly string[]> {
    const { scripts } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
    return String(scripts.start).split(" ").slice(1);
  }
}

async function runOf(child: ChildProcess): Promise<Run> {
  const listening = Promise.withResolvers<string>();
  const closed = once(child, "close");
  const log: string[] = [];
  let loads: Loads | undefined;
  if (!child.stdout) throw new Error("standard output is not a pipe");
  createInterface({ input: child.stdout }).on("line", (line) => {
    log.push(line);
    const { msg, url, loaded } = JSON.parse(line);
    if (msg === "listening") listening.resolve(url);
    if (loaded) loads = loadsOf(loaded);
  });
  void closed.then(() => listening.reject(new Error(`the server ended:\n${log.join("\n")}`)));
  const baseUrl = await listening.promise;
  return {
    baseUrl,
    async stop() {
      child.kill("SIGTERM");
      await closed;
      if (!loads) throw new Error(`the server has not written what it loaded:\n${log.join("\n")}`);
      return loads;
    },
    async kill() {
      child.kill("SIGKILL");
      await closed;
    },
  };
}

function loadsOf(names: readonly string[]): Loads {
  return {
    has: (packageName) => names.some((name) => name.includes(`/node_modules/${packageName}/`)),
    strippedTypes: names.some((name) => name.includes("internal/deps/amaro")),
    nodeUndici: names.some((name) => name.includes("internal/deps/undici/undici")),
  };
}
