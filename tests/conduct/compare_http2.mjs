#!/usr/bin/env node
// Runs the cases of http2_cases.txt against servers of others, and prints where they do otherwise than the table says:
//
//   node tests/conduct/compare_http2.mjs nghttpd nginx node     those that it starts by itself
//   node tests/conduct/compare_http2.mjs https://localhost:8443 any that runs
//
// A request that the table has answered with 200 or 202 may be answered with any status. README.md says what was found.
import http2 from "node:http2";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { free_port } from "../web/support/free_port.mjs";
import { start } from "../web/support/program.mjs";
import { start_nginx_alone } from "../web/support/reverse_proxies.mjs";
import { until } from "../web/support/until.mjs";
import { Http2Connection } from "./http2_connection.mjs";
import { read_http2_table, run_case } from "./http2_table.mjs";

const DEADLINE_MS = 1_000;
const PAGE = "page\n".repeat(100);

const servers = {
  async nghttpd() {
    const folder = mkdtempSync(join(tmpdir(), "spate-nghttpd-"));
    process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
    mkdirSync(join(folder, "sse/send"), { recursive: true });
    for (const [name, text] of [["index.html", PAGE], ["healthz", "ok"], ["sse/send/nobody", "sent"]]) writeFileSync(join(folder, name), text);
    const port = await free_port();
    const running = start("nghttpd", ["--no-tls", "-a", "127.0.0.1", "-d", folder, String(port)]);
    const url = `http://127.0.0.1:${port}`;
    await until("nghttpd to listen", () => Http2Connection.open(url).then((one) => one.destroy() ?? true, () => false));
    return { url, stop: () => running.stop() };
  },
  async nginx() {
    const [port, behind] = [await free_port(), await free_port()];
    const nginx = await start_nginx_alone(`
      listen 127.0.0.1:${port} http2;
      location = /healthz { return 200 ok; }
      location = / { return 200 "${PAGE}"; }
      # Through a proxy, or it would answer before it has read the body.
      location /sse/send/ { proxy_pass http://127.0.0.1:${behind}; }
    }
    server {
      listen 127.0.0.1:${behind};
      location / { return 202; }`);
    return { url: `http://127.0.0.1:${port}`, stop: nginx.stop };
  },
  async node() {
    const server = http2.createServer({ settings: { maxConcurrentStreams: 100 } }, (request, response) => {
      request.resume().on("end", () => response.end(request.url === "/" ? PAGE : "ok"));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return { url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
  },
};

const table = read_http2_table();
for (const name of process.argv.slice(2)) {
  const server = (await servers[name]?.()) ?? { url: name, stop: () => {} };
  let differences = 0;
  for (const one of table) {
    const failure = await run_case(one, server.url, { any_status: true, deadline_ms: DEADLINE_MS });
    if (!failure) continue;
    ++differences;
    console.log(`${name}: ${one.id} (${one.clause}): ${failure}`);
  }
  console.log(`${name}: ${table.length} cases, ${differences} done differently`);
  await server.stop();
}
process.exit();
