// Node's better-sse as a peer: a channel for broadcasts, a session for each user; takes the hub's URLs.
import { createServer } from "node:http";
import { createChannel, createSession } from "better-sse";

const port = Number(process.argv[process.argv.indexOf("--port") + 1] ?? 0);
const everybody = createChannel();
const users = new Map();
let published = 0;

function publish(where, last, data) {
  published += 1;
  if (where === "/sse/send") {
    const session = users.get(last);
    session?.push(data, "message", String(published));
    return session ? 1 : 0;
  }
  if (where === "/sse/group") {
    let reached = 0;
    for (const [user, session] of users) {
      if (!user.startsWith(last)) continue;
      session.push(data, "message", String(published));
      reached += 1;
    }
    return reached;
  }
  everybody.broadcast(data, "message", { eventId: String(published) });
  return everybody.sessionCount;
}

const server = createServer(async (request, response) => {
  const slash = request.url.lastIndexOf("/");
  const where = request.url.slice(0, slash);
  const last = decodeURIComponent(request.url.slice(slash + 1));
  if (request.method === "GET" && where === "/sse/subscribe") {
    const session = await createSession(request, response, { keepAlive: 15000 });
    users.set(last, session);
    everybody.register(session);
    session.once("disconnected", () => users.get(last) === session && users.delete(last));
    return;
  }
  let data = "";
  request.setEncoding("utf8");
  for await (const piece of request) data += piece;
  const streams = publish(where, last, data);
  const body = JSON.stringify({ id: String(published), streams });
  response.writeHead(202, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) });
  response.end(body);
});
server.keepAliveTimeout = 0;
server.requestTimeout = 0;
server.listen({ port, host: "127.0.0.1", backlog: 4096 }, () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
