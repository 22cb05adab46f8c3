import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { constants, createReadStream, createWriteStream } from "node:fs";
import { access, chmod, mkdir, readFile, rename, rm, stat } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createBrotliDecompress } from "node:zlib";

/** Where to look for a browser. */
export interface ChromeOptions {
  /** The browser to use; no other is looked for then. */
  readonly chromePath?: string | undefined;
  /** The value of PATH. */
  readonly searchPath?: string | undefined;
  /** Where the browser from npm is unpacked to, once for all processes; below the system's temporary directory if left out. */
  readonly cacheDirectory?: string | undefined;
}

/** The headless shells first: they need a third of the memory. */
const names = [
  "chrome-headless-shell",
  "chromium-headless-shell",
  "google-chrome-stable",
  "google-chrome",
  "chromium",
  "chromium-browser",
];
const usualDirectories = ["/usr/bin", "/usr/local/bin", "/snap/bin", "/opt/google/chrome", "/opt/homebrew/bin"];
const usualPlaces: Readonly<Partial<Record<NodeJS.Platform, readonly string[]>>> = {
  darwin: [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
  ],
  win32: [
    "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
    "C:\\Program Files (x86)\\Google\\Chrome\\Application\\chrome.exe",
  ],
};

/** The browser that WEBJS engines run: the given one, else the system's, else the one from npm; undefined if there is none. */
export async function findChrome(options: ChromeOptions = {}): Promise<string | undefined> {
  const { chromePath, searchPath = "" } = options;
  if (chromePath) return (await isExecutable(chromePath)) ? chromePath : undefined;
  const directories = [...searchPath.split(delimiter).filter((directory) => directory !== ""), ...usualDirectories];
  const places = directories.flatMap((directory) => names.map((name) => join(directory, name)));
  for (const place of [...places, ...(usualPlaces[process.platform] ?? [])]) {
    if (await isExecutable(place)) return place;
  }
  return unpackedChrome(options.cacheDirectory);
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

/** The headless shell in @sparticuz/chromium, unpacked. The package's own way is not safe when two processes do it at a time. */
async function unpackedChrome(cacheDirectory?: string): Promise<string | undefined> {
  if (process.platform !== "linux" || process.arch !== "x64") return undefined;
  let root: string;
  try {
    root = dirname(dirname(fileURLToPath(import.meta.resolve("@sparticuz/chromium"))));
  } catch {
    return undefined;
  }
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  const { uid, username } = userInfo();
  const directory = cacheDirectory ?? join(tmpdir(), `sessiond-chromium-${username}`);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  // In a directory that others may write to, the name could have been taken by somebody else.
  if ((await stat(directory)).uid !== uid) throw new Error(`${directory} belongs to somebody else`);
  const chrome = join(directory, `chromium-${version}`);
  if (await isExecutable(chrome)) return chrome;
  const unfinished = `${chrome}.${randomUUID()}`;
  try {
    const packed = createReadStream(join(root, "bin", "chromium.br"));
    await pipeline(packed, createBrotliDecompress(), createWriteStream(unfinished));
    await chmod(unfinished, 0o700);
    await rename(unfinished, chrome);
  } finally {
    await rm(unfinished, { force: true });
  }
  return chrome;
}

/** Why Chromium's sandbox cannot be used here; undefined if it can. */
export async function sandboxObstacle(): Promise<string | undefined> {
  if (process.platform !== "linux") return undefined;
  if (process.getuid?.() === 0) return "Chromium's sandbox does not work for root";
  try {
    await promisify(execFile)("unshare", ["--user", "--map-root-user", "true"]);
    return undefined;
  } catch (error) {
    const isMissing = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (isMissing && (await readFile("/proc/sys/user/max_user_namespaces", "utf8").catch(() => "1")).trim() !== "0") {
      return undefined;
    }
    return "the system has no user namespaces for Chromium's sandbox";
  }
}
