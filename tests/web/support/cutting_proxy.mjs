// A TCP proxy on a free port that can be cut: what a client sees of a pulled plug.
//
//   const proxy = await start_proxy(hub.port);
//   client.connect(proxy.url); ...
//   proxy.cut();          // every connection is reset, the next ones work again
import net from "node:net";
import { once } from "node:events";

export async function start_proxy(target_port) {
  const pairs = new Set();
  const proxy = {
    /// How many connections were accepted so far, and how many there are now.
    connections: 0,
    get open() {
      return pairs.size;
    },
    /// While true, nothing is accepted.
    refuse: false,
  };
  const server = net.createServer((near) => {
    if (proxy.refuse) return near.resetAndDestroy();
    proxy.connections += 1;
    const far = net.connect(target_port, "127.0.0.1");
    const pair = { near, far };
    pairs.add(pair);
    const forget = () => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) socket.setNoDelay(true).on("error", forget).on("close", forget);
    near.pipe(far).pipe(near);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  server.unref();
  proxy.port = server.address().port;
  proxy.url = `http://127.0.0.1:${proxy.port}`;
  /// Resets the connections there are; returns how many there were.
  proxy.cut = () => {
    const cut = pairs.size;
    for (const { near, far } of [...pairs]) {
      // The client must not see a tidy end: an event may be cut in two, and no last chunk comes.
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
    return cut;
  };
  proxy.stop = () => {
    proxy.cut();
    server.close();
  };
  return proxy;
}
