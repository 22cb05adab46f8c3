import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createReadStream, createWriteStream } from "node:fs";
import { access, chmod, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliDecompress, createBrotliDecompress } from "node:zlib";
import { checkExecutable, writingTemporaryFiles } from "./temporary-directory.ts";

/** A browser that can be run. */
export interface ChromePlace {
  readonly path: string;
  /** Environment variables that it needs on this machine. */
  readonly env: Readonly<Record<string, string>>;
  /** Unpacks the browser if necessary. Call it before each start. */
  ready(): Promise<void>;
}

/** Linux's library directories. The package's own libraries replace those that are missing there. */
const libraryDirectories = ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/usr/lib"];

/** Finds the headless shell in the npm package @sparticuz/chromium; undefined if there is none for this machine. */
export async function packedChrome(cacheDirectory?: string): Promise<ChromePlace | undefined> {
  if (process.platform !== "linux" || process.arch !== "x64") return undefined;
  let packageRoot: string;
  try {
    packageRoot = dirname(dirname(fileURLToPath(import.meta.resolve("@sparticuz/chromium"))));
    await access(join(packageRoot, "bin", "chromium.br"));
  } catch {
    return undefined;
  }
  const { version } = JSON.parse(await readFile(join(packageRoot, "package.json"), "utf8"));
  const cache = cacheDirectory ?? join(tmpdir(), `sessiond-chromium-${userId()}`);
  const home = join(cache, version);
  return {
    path: join(home, "chromium"),
    env: {
      LD_LIBRARY_PATH: [...libraryDirectories, join(home, "lib")].join(":"),
      FONTCONFIG_FILE: join(home, fontsFile),
    },
    ready: () => writingTemporaryFiles(() => unpack(join(packageRoot, "bin"), cache, home)),
  };
}

/** Returns the user id on Linux. os.userInfo would throw where the id has no name. */
const userId = () => process.getuid?.() ?? 0;

const fontsFile = "system-and-own-fonts.conf";
/** Returns a configuration with the system's fonts, and the package's own where there are none. */
const fontsConfig = (home: string) => `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir>${home}/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
`;

/** Unpacks once for all processes of this user. The package's own method is not safe when two processes unpack at the same time. */
async function unpack(archives: string, cache: string, home: string): Promise<void> {
  await mkdir(cache, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  // In a directory that others may write to, another user could have taken the name.
  if ((await stat(cache)).uid !== userId()) throw new Error(`${cache} belongs to another user`);
  await checkExecutable(cache);
  if (await isThere(home)) return;
  const unfinished = `${home}.${randomUUID()}`;
  try {
    await mkdir(unfinished, { mode: 0o700 });
    const chrome = join(unfinished, "chromium");
    await pipeline(
      createReadStream(join(archives, "chromium.br")),
      createBrotliDecompress(),
      createWriteStream(chrome),
    );
    await chmod(chrome, 0o700);
    for (const name of ["al2023.tar.br", "fonts.tar.br"]) await untar(join(archives, name), unfinished);
    await writeFile(join(unfinished, fontsFile), fontsConfig(home));
    await rename(unfinished, home);
  } catch (error) {
    // Another process may have been faster.
    if (!(await isThere(home))) throw error;
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

const decompress = promisify(brotliDecompress);

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

async function untar(archive: string, directory: string): Promise<void> {
  const packed = await decompress(await readFile(archive));
  const tar = spawn("tar", ["--extract", "--no-same-owner", "--directory", directory], {
    stdio: ["pipe", "ignore", "ignore"],
  });
  const ended = once(tar, "close");
  // tar stops reading at the archive's end mark.
  tar.stdin.on("error", () => {});
  tar.stdin.end(packed);
  const [code] = await ended;
  if (code !== 0) throw new Error(`tar could not unpack ${archive} (${code})`);
}
