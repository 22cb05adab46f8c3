import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

// Receiver of webhooks in a process of its own. A path that begins with /hang gets no answer, one with /fail a 500, any
// other a 200. It tells its parent its port, and on request its count and lateness: X-Sent-At (Unix ms) against its own
// clock.
const latenessMs: number[] = [];
let taken = 0;

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  const path = request.url ?? "";
  const sentAt = request.headers["webhook-id"] === undefined ? undefined : path.split("?")[0];
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    if (path.startsWith("/hang")) return;
    if (path.startsWith("/fail")) {
      response.writeHead(500).end();
      return;
    }
    taken += 1;
    if (sentAt !== undefined) {
      // The body begins with its id and its time, so the rest need not be parsed.
      const head = Buffer.concat(chunks).toString("latin1", 0, 120);
      latenessMs.push(Date.now() - Number(/"timestamp":(\d+)/.exec(head)?.[1]));
    }
    response.end();
  });
});

server.listen(0, "127.0.0.1", () => process.send?.({ port: (server.address() as AddressInfo).port }));

process.on("message", () => {
  process.send?.({ taken, latenessMs: latenessMs.splice(0) });
  taken = 0;
});
process.on("disconnect", () => process.exit());
