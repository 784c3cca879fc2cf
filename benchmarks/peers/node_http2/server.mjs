// Node's own http2 as a peer, over TLS: a set of streams for broadcasts, a map of them by user; takes the hub's URLs.
//
//   node server.mjs --port 0 --key FILE --cert FILE [--http1 | --plain]
//     --http1: HTTP/1.1 instead, by https     --plain: HTTP/2 without TLS
import { readFileSync } from "node:fs";
import * as http2 from "node:http2";
import * as https from "node:https";

const option = (name) => process.argv[process.argv.indexOf(name) + 1];
const plain = process.argv.includes("--plain");
const http1 = process.argv.includes("--http1");
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
    for (const [user, stream] of users) {
      if (!user.startsWith(last)) continue;
      stream.write(event);
      reached += 1;
    }
    return reached;
  }
  for (const stream of everybody) stream.write(event);
  return everybody.size;
}

// Answers by `begin(status, fields)`, which gives what the body is written to.
async function serve(method, path, input, begin) {
  const slash = path.lastIndexOf("/");
  const where = path.slice(0, slash);
  const last = decodeURIComponent(path.slice(slash + 1));
  if (method === "GET" && where === "/sse/subscribe") {
    const stream = begin(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    stream.write(":\n\n");
    everybody.add(stream);
    users.set(last, stream);
    stream.once("close", () => {
      everybody.delete(stream);
      if (users.get(last) === stream) users.delete(last);
    });
    return;
  }
  let data = "";
  input.setEncoding("utf8");
  for await (const piece of input) data += piece;
  const streams = publish(where, last, data);
  const body = JSON.stringify({ id: String(published), streams });
  begin(202, { "content-type": "application/json", "content-length": Buffer.byteLength(body) }).end(body);
}

const onStream = (stream, head) => {
  stream.on("error", () => {});
  return serve(head[":method"], head[":path"], stream, (status, fields) => {
    stream.respond({ ":status": status, ...fields });
    return stream;
  });
};
const onRequest = (request, response) =>
  serve(request.method, request.url, request, (status, fields) => response.writeHead(status, fields));

const tls = plain ? {} : { key: readFileSync(option("--key")), cert: readFileSync(option("--cert")), minVersion: "TLSv1.3" };
const server = http1 ? https.createServer(tls, onRequest) : plain ? http2.createServer() : http2.createSecureServer(tls);
if (http1) {
  server.keepAliveTimeout = 0;
  server.requestTimeout = 0;
} else {
  server.on("stream", onStream);
  server.on("sessionError", () => {});
}
server.listen({ port: Number(option("--port")), host: "127.0.0.1", backlog: 4096 }, () => {
  console.log(`listening on http${plain ? "" : "s"}://127.0.0.1:${server.address().port}`);
});
