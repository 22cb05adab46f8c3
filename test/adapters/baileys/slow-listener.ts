/** Run as a process of its own: listens with the shortest backlog and can be made deaf, so that the kernel lets nobody in. */
import { connect, createServer, type Socket } from "node:net";

const [host = "::1", target = "0"] = process.argv.slice(2);
const pipe = (client: Socket): void => {
  const onward = connect(Number(target), "127.0.0.1");
  client.pipe(onward).pipe(client);
  client.on("error", () => onward.destroy()).on("close", () => onward.destroy());
  onward.on("error", () => client.destroy()).on("close", () => client.destroy());
};
const server = createServer(pipe);
server.listen({ host, port: 0, backlog: 1 }, () => process.send?.(server.address()));
process.on("message", (deafMs: number) => {
  process.send?.("deaf", () => {
    const endsAt = performance.now() + deafMs;
    while (performance.now() < endsAt);
  });
});
process.on("disconnect", () => process.exit());
