import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access, readFile, stat } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { type ChromePlace, packedChrome } from "./packed-chrome.ts";

export type { ChromePlace } from "./packed-chrome.ts";

/** Places to look for a browser. */
export interface ChromeOptions {
  /** Path of the browser to use, instead of looking for one. */
  readonly chromePath?: string | undefined;
  /** The value of PATH. */
  readonly searchPath?: string | undefined;
  /** Directory to unpack the browser from npm to, once for all processes; below the system's temporary directory if left out. */
  readonly cacheDirectory?: string | undefined;
}

/** Names of browsers. Headless shells come first, since they need a third of the memory. */
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

/** Finds the browser for WEBJS engines: the given one, else the system's, else the one from npm. Does not unpack it. */
export async function findChrome(options: ChromeOptions = {}): Promise<ChromePlace | undefined> {
  const { chromePath, searchPath = "" } = options;
  if (chromePath) return (await isExecutable(chromePath)) ? placeAt(chromePath) : undefined;
  const directories = [...searchPath.split(delimiter).filter((directory) => directory !== ""), ...usualDirectories];
  const places = directories.flatMap((directory) => names.map((name) => join(directory, name)));
  for (const place of [...places, ...(usualPlaces[process.platform] ?? [])]) {
    if (await isExecutable(place)) return placeAt(place);
  }
  return packedChrome(options.cacheDirectory);
}

const placeAt = (path: string): ChromePlace => ({ path, env: {}, ready: async () => {} });

/** Explains to a user where `findChrome` has looked without success. */
export const chromeMissing = ({ chromePath }: ChromeOptions): string =>
  chromePath
    ? `SESSIOND_CHROME_PATH is ${chromePath}, which is not a program that can be run; correct it, or unset it to use a Chrome or Chromium of the system or the one in the npm package @sparticuz/chromium`
    : "no Chrome or Chromium was found: SESSIOND_CHROME_PATH is not set, the system has none along PATH or in the usual places, and the npm package @sparticuz/chromium (for Linux on x64) is not installed";

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

/** Returns why Chromium's sandbox cannot be used here; undefined if it can. `unshare`: the program that creates a test namespace. */
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
