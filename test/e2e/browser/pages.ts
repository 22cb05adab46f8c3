import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";

const root = new URL("../../..", import.meta.url).pathname;
const types: Readonly<Record<string, string>> = { ".html": "text/html", ".js": "text/javascript" };

/** Serves the pages in a directory with their imports: the generated messages and the packages, unbundled. */
export async function servePages(directory = join(root, "test/e2e/browser")) {
  const server = createServer((req, res) => {
    const { pathname } = new URL(req.url ?? "/", "http://localhost");
    const path = normalize(pathname);
    readFile(join(/^\/(node_modules|gen)\//.test(path) ? root : directory, path)).then(
      (body) => res.setHeader("Content-Type", types[extname(path)] ?? "application/octet-stream").end(body),
      () => res.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
