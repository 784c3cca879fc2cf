// Node's http2 as a peer, over TLS: HTTP/2, and HTTP/1.1 for who asks for that. What a program writes with it alone: a
// set of responses for broadcasts, a map of them by user; takes the hub's URLs.
//
//   node server.mjs --port 0 --key FILE --cert FILE [--plain]     --plain: HTTP/2 without TLS
import { readFileSync } from "node:fs";
import { createSecureServer, createServer } from "node:http2";

const option = (name) => process.argv[process.argv.indexOf(name) + 1];
const plain = process.argv.includes("--plain");
const everybody = new Set();
const users = new Map();
let published = 0;

function publish(where, last, data) {
  published += 1;
  const event = `id: 1-${published}\ndata: ${data}\n\n`;
  if (where === "/sse/send") {
    users.get(last)?.write(event);
    return users.has(last) ? 1 : 0;
  }
  let reached = 0;
  if (where === "/sse/group") {
    for (const [user, response] of users) {
      if (!user.startsWith(last)) continue;
      response.write(event);
      reached += 1;
    }
    return reached;
  }
  for (const response of everybody) response.write(event);
  return everybody.size;
}

async function serve(request, response) {
  const slash = request.url.lastIndexOf("/");
  const where = request.url.slice(0, slash);
  const last = decodeURIComponent(request.url.slice(slash + 1));
  if (request.method === "GET" && where === "/sse/subscribe") {
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    response.write(":\n\n");
    everybody.add(response);
    users.set(last, response);
    response.once("close", () => {
      everybody.delete(response);
      if (users.get(last) === response) users.delete(last);
    });
    return;
  }
  let data = "";
  request.setEncoding("utf8");
  for await (const piece of request) data += piece;
  const streams = publish(where, last, data);
  const body = JSON.stringify({ id: String(published), streams });
  response.writeHead(202, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
  response.end(body);
}

const server = plain
  ? createServer(serve)
  : createSecureServer(
      { key: readFileSync(option("--key")), cert: readFileSync(option("--cert")), allowHTTP1: true, minVersion: "TLSv1.3" },
      serve,
    );
server.on("session", (session) => session.socket.setNoDelay(true));
server.on("sessionError", () => {});
server.listen({ port: Number(option("--port")), host: "127.0.0.1", backlog: 4096 }, () => {
  console.log(`listening on http${plain ? "" : "s"}://127.0.0.1:${server.address().port}`);
});
