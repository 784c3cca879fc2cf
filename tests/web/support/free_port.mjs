// A port that nobody listens on, for programs that can only be told one and not asked for one. None of those that the
// system gives to connections and listeners of other tests (on Linux 32768 and above): it stays free while its program
// is down.
import net from "node:net";
import { once } from "node:events";

export async function free_port() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const server = net.createServer().listen(port, "127.0.0.1");
    try {
      await once(server, "listening");
    } catch (error) {
      if (error.code === "EADDRINUSE") continue;
      throw error;
    }
    server.close();
    await once(server, "close");
    return port;
  }
}
