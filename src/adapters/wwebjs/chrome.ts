import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access, readFile, stat } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { type ChromePlace, packedChrome } from "./packed-chrome.ts";

export type { ChromePlace } from "./packed-chrome.ts";

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

/** The browser that WEBJS engines run: the given one, else the system's, else the one from npm; undefined if there is none. Unpacks nothing. */
export async function findChrome(options: ChromeOptions = {}): Promise<ChromePlace | undefined> {
  const { chromePath, searchPath = "" } = options;
  if (chromePath) return (await isExecutable(chromePath)) ? there(chromePath) : undefined;
  const directories = [...searchPath.split(delimiter).filter((directory) => directory !== ""), ...usualDirectories];
  const places = directories.flatMap((directory) => names.map((name) => join(directory, name)));
  for (const place of [...places, ...(usualPlaces[process.platform] ?? [])]) {
    if (await isExecutable(place)) return there(place);
  }
  return packedChrome(options.cacheDirectory);
}

const there = (path: string): ChromePlace => ({ path, env: {}, ready: async () => {} });

/** Where `findChrome` has looked in vain, for people. */
export const chromeMissing = ({ chromePath }: ChromeOptions): string =>
  chromePath
    ? `SESSIOND_CHROME_PATH is ${chromePath}, which is no program that can be run; only without it are a Chrome or Chromium of the system and the one in the npm package @sparticuz/chromium looked for`
    : "no Chrome or Chromium was found: SESSIOND_CHROME_PATH is not set, the system has none along PATH or in the usual places, and the npm package @sparticuz/chromium is not there (it is for Linux on x64)";

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

/** Why Chromium's sandbox cannot be used here; undefined if it can. `unshare`: the program that is asked to make a namespace. */
export async function sandboxObstacle(
  uid: number | undefined = process.getuid?.(),
  unshare = "unshare",
): Promise<string | undefined> {
  if (process.platform !== "linux") return undefined;
  if (uid === 0) return "Chromium's sandbox does not work for root";
  try {
    await promisify(execFile)(unshare, ["--user", "--map-root-user", "true"]);
    return undefined;
  } catch (error) {
    const isMissing = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (isMissing && (await readFile("/proc/sys/user/max_user_namespaces", "utf8").catch(() => "1")).trim() !== "0") {
      return undefined;
    }
    return "the system has no user namespaces for Chromium's sandbox";
  }
}
