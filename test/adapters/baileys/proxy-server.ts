import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** A proxy on loopback that asks for a user and a password. */
export interface TestProxy {
  readonly port: number;
  /** How many tunnels it has made. */
  readonly tunnels: () => number;
  close(): Promise<void>;
}

/** Access rules of a proxy. */
export const proxyUser = { username: "proxy user", password: "p@ss:word" };

/** A proxy that speaks HTTP CONNECT with Basic authentication (RFC 9110, 9.3.6). `onlyPort`: where on loopback all tunnels lead. */
export async function startHttpProxy(onlyPort?: number): Promise<TestProxy> {
  let tunnels = 0;
  const wanted = `Basic ${Buffer.from(`${proxyUser.username}:${proxyUser.password}`).toString("base64")}`;
  const server = createHttpServer();
  server.on("connect", (request, client: Socket) => {
    if (request.headers["proxy-authorization"] !== wanted) {
      const challenge = 'Proxy-Authenticate: Basic realm="proxy"';
      client.end(`HTTP/1.1 407 Proxy Authentication Required\r\n${challenge}\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    tunnels += 1;
    const { hostname, port } = new URL(`http://${request.url}`);
    const [host, hostPort] = onlyPort === undefined ? [hostname, Number(port)] : ["127.0.0.1", onlyPort];
    tunnel(client, host, hostPort, () => client.write("HTTP/1.1 200 Connection established\r\n\r\n"));
  });
  return started(server, () => tunnels);
}

/** A proxy that speaks SOCKS 5 (RFC 1928) with a user and a password (RFC 1929); it knows CONNECT to names and IPv4 addresses. */
export async function startSocksProxy(): Promise<TestProxy> {
  let tunnels = 0;
  const server = createServer(async (client) => {
    client.on("error", () => client.destroy());
    const [, methods = 0] = await read(client, 2);
    await read(client, methods);
    client.write(Buffer.of(5, 2));
    const [, userLength = 0] = await read(client, 2);
    const username = (await read(client, userLength)).toString();
    const [passwordLength = 0] = await read(client, 1);
    const password = (await read(client, passwordLength)).toString();
    const known = username === proxyUser.username && password === proxyUser.password;
    client.write(Buffer.of(1, known ? 0 : 1));
    if (!known) {
      client.end();
      return;
    }
    const [, , , kind] = await read(client, 4);
    const host = kind === 1 ? (await read(client, 4)).join(".") : await readName(client);
    const port = (await read(client, 2)).readUInt16BE();
    tunnels += 1;
    tunnel(client, host, port, () => client.write(Buffer.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0)));
  });
  return started(server, () => tunnels);
}

/** A listener that accepts connections and never says a word. */
export async function startSilentProxy(): Promise<TestProxy> {
  return started(
    createServer((client) => client.resume().on("error", () => {})),
    () => 0,
  );
}

async function started(server: Server, tunnels: () => number): Promise<TestProxy> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    tunnels,
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}

function tunnel(client: Socket, host: string, port: number, established: () => void): void {
  const target = connect(port, host, () => {
    established();
    client.pipe(target).pipe(client);
  });
  for (const [one, other] of [
    [client, target],
    [target, client],
  ] as const) {
    one.on("error", () => other.destroy());
    one.on("close", () => other.destroy());
  }
}

async function readName(client: Socket): Promise<string> {
  const [length = 0] = await read(client, 1);
  return (await read(client, length)).toString();
}

async function read(client: Socket, length: number): Promise<Buffer> {
  for (;;) {
    const bytes: Buffer | null = client.read(length);
    if (bytes) return bytes;
    await once(client, "readable");
  }
}
