// Node with its own http and zlib as a peer of `compression serve`: one gzip state for each stream, flushed after each
// event, as the libraries that compress do it. --plain: without. Commands come on standard input (see wire.hpp).
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { constants, createGzip } from "node:zlib";

const plain = process.argv.includes("--plain");
const users = new Map();

const server = createServer((request, response) => {
  const user = request.url.slice("/events/".length);
  const head = { "Content-Type": "text/event-stream", "Cache-Control": "no-store, no-transform" };
  if (!plain) head["Content-Encoding"] = "gzip";
  response.writeHead(200, head);
  response.flushHeaders();
  let sink = response;
  if (!plain) {
    sink = createGzip({ level: 6, flush: constants.Z_SYNC_FLUSH });
    sink.pipe(response);
  }
  users.set(user, sink);
  response.once("close", () => {
    users.delete(user);
    if (!plain) sink.destroy();
  });
});
server.keepAliveTimeout = 0;
server.requestTimeout = 0;
server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});

createInterface({ input: process.stdin, crlfDelay: 0 }).on("line", (line) => {
  const [to, name, data] = line.split("\t");
  let text = name ? `event: ${name}\n` : "";
  for (const part of data.split("\x1f")) text += `data: ${part}\n`;
  text += "\n";
  if (to !== "*") return users.get(to)?.write(text);
  for (const sink of users.values()) sink.write(text);
}).on("close", () => process.exit(0));
