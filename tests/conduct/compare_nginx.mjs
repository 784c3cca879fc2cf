#!/usr/bin/env node
// Sends the requests of requests.txt to nginx, with hardly any configuration, and prints where it answers otherwise than
// the table says: `node tests/conduct/compare_nginx.mjs`. README.md says why.
import { start_nginx_alone } from "../web/support/reverse_proxies.mjs";
import { Barrier, Connection } from "./connection.mjs";
import { read_table } from "./table.mjs";

const nginx = await start_nginx_alone(`
  large_client_header_buffers 4 16k;
  keepalive_requests 1000000;
  location = /healthz { return 200 ok; }
  location = / { return 200 page; }
  # Through a proxy, or it would answer before it has read the body.
  location /sse/send/ { proxy_pass http://127.0.0.1:$server_port/sent; }
  location = /sent { return 202; }
  location /sse/subscribe/ { return 200; }
  location / { return 404; }`);
const barrier = await Barrier.open(nginx.port);

/// The statuses of all answers in `connection`, and how it ended.
async function answers(connection, blocks) {
  const found = [];
  for (const block of blocks) {
    while (connection.received !== "") {
      const { status } = await connection.take_answer(block.method);
      found.push(status);
      if (status >= 200) break;
    }
  }
  if (connection.received !== "") found.push("and more");
  return found.join(" ") || "nothing";
}

let differences = 0;
const table = read_table();
for (const { id, blocks, rule } of table) {
  const connection = await Connection.open(nginx.port);
  const got = [];
  for (let at = 0; at < blocks.length; ) {
    // What follows a wait for an answer is sent later.
    let end = blocks.findIndex((block, index) => index > at && block.after_answer);
    if (end < 0) end = blocks.length;
    const due = blocks.slice(at, end);
    const bytes = due.map((block) => block.bytes).join("");
    connection.send(bytes);
    // The proxy in front of /sent takes a few passes, and a large body one for each piece that is read at once.
    const passes = 8 + bytes.length / 4096;
    for (let pass = 0; pass < passes; ++pass) await barrier.pass();
    got.push(await answers(connection, due).catch((error) => `no answer: ${error.message}`));
    at = end;
  }
  connection.destroy();
  const wanted = blocks
    .filter(({ answer }) => answer !== undefined && answer !== "wait")
    .map(({ answer }) => (answer === "stream" ? 200 : answer.status))
    .join(" ");
  const given = got.filter((each) => each !== "nothing").join(" ");
  if (given === wanted) continue;
  ++differences;
  console.log(`${id}: ${wanted || "nothing"} here, ${given || "nothing"} by nginx (${rule})`);
}
console.log(`${table.length} cases, ${differences} answered differently`);
barrier.close();
await nginx.stop();
