import { fork } from "node:child_process";
import { once } from "node:events";
import { restingRssKb, rssKb } from "./memory.ts";
import { RawStreams } from "./raw-streams.ts";

const program = new URL("unread-server.ts", import.meta.url).pathname;
const changes = 1_000_000;

/** Growth of a server's memory over a million changes of a session, after as many for warming up. */
export interface GrowthFigures {
  readonly peakMb: number;
  readonly restMb: number;
  readonly seconds: number;
}

/** Measures a new server with one reader that never reads, or with none, as the baseline for the store's own memory. */
export async function growth(hasReader: boolean): Promise<GrowthFigures> {
  const server = fork(program);
  try {
    const [{ port }] = (await once(server, "message")) as [{ port: number }];
    const write = async (count: number) => {
      server.send({ changes: count });
      await once(server, "message");
    };
    const pid = server.pid ?? 0;
    await write(changes);
    const beforeKb = await restingRssKb(pid);
    const reader = new RawStreams();
    if (hasReader) await reader.open(`http://127.0.0.1:${port}`, "busy", 1);
    for (const stream of reader.streams) stream.pause();
    let peakKb = 0;
    const looking = setInterval(async () => {
      peakKb = Math.max(peakKb, await rssKb(pid));
    }, 100);
    const startMs = performance.now();
    await write(changes);
    const seconds = (performance.now() - startMs) / 1000;
    clearInterval(looking);
    const restKb = await restingRssKb(pid);
    await reader.close();
    const mb = (kb: number) => (kb - beforeKb) / 1024;
    return { peakMb: mb(peakKb), restMb: mb(restKb), seconds };
  } finally {
    const exited = once(server, "exit");
    server.disconnect();
    await exited;
  }
}
