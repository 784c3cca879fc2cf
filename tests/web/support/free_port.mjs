// A port that nobody listens on, for programs that can only be told one and not asked for one.
import net from "node:net";
import { once } from "node:events";

export async function free_port() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
