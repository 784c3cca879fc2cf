// A TCP proxy on a free port that can be cut: what a client sees of a pulled plug.
//
//   const proxy = await start_proxy(hub.port);
//   client.connect(proxy.url); ...
//   proxy.cut();          // every connection is reset, the next ones work again
//   proxy.let_through = () => 1000;  // each that comes now ends when so many bytes of the answers have come through
import net from "node:net";
import { once } from "node:events";

// One that is about to end cannot be reset: libuv refuses, and node, which believes that it did, waits for the end of it
// for ever when it exits.
function reset(socket) {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

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
    /// Says of each connection how many bytes come through from the target.
    let_through: () => Infinity,
    /// Of each connection the heads of the first request and of its answer, as text: `{asked, answered}`.
    heads: [],
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
    const heads = { asked: "", answered: "" };
    proxy.heads.push(heads);
    const note = (which) => (piece) => {
      if (!heads[which].includes("\r\n\r\n")) heads[which] = (heads[which] + piece.toString("latin1")).replace(/(\r\n\r\n)[^]*/, "$1");
    };
    near.on("data", note("asked")).pipe(far);
    far.on("data", note("answered"));
    let left = proxy.let_through();
    if (left === Infinity) return far.pipe(near);
    far.on("data", (piece) => {
      if (left < 1) return;
      left -= piece.length;
      if (left > 0) near.write(piece);
      else near.end(piece.subarray(0, piece.length + left), forget);
    });
    far.on("end", () => left > 0 && near.end());
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
      for (const socket of [near, far]) reset(socket);
    }
    return cut;
  };
  proxy.stop = () => {
    proxy.cut();
    server.close();
  };
  return proxy;
}
