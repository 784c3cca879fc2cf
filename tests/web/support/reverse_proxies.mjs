// nginx and haproxy in front of a hub, each with a configuration and a folder of its own.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { free_port } from "./free_port.mjs";
import { start } from "./program.mjs";
import { until } from "./until.mjs";

async function start_reverse_proxy(program, configuration, command_line) {
  const folder = mkdtempSync(join(tmpdir(), `spate-${program}-`));
  const port = await free_port();
  const file = join(folder, `${program}.conf`);
  writeFileSync(file, configuration(port, folder));
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
  const running = start(program, command_line(file, folder), { env });
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const proxy = { port, url: `http://127.0.0.1:${port}`, stop: () => running.stop("SIGTERM") };
  await until(`${program} to answer`, async () => {
    if (running.ended !== undefined) throw new Error(`${program} ended with ${running.ended}: ${running.stderr}`);
    return (await fetch(proxy.url + "/healthz").catch(() => undefined))?.ok;
  });
  return proxy;
}

/// nginx as it comes, which buffers answers and speaks HTTP/1.0 to the hub, but for the `settings` of its location.
export function start_nginx(hub_port, settings = "") {
  return start_nginx_alone(`
    location / {
      proxy_pass http://127.0.0.1:${hub_port};
      ${settings}
    }`);
}

/// nginx with a server of its own, of which `server` is the configuration; it has to serve /healthz.
export function start_nginx_alone(server) {
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return start_reverse_proxy(
    "nginx",
    (port, folder) => `
      daemon off;
      master_process off;
      pid ${folder}/nginx.pid;
      error_log stderr;
      events {}
      http {
        access_log off;
        ${paths.map((path) => `${path}_temp_path ${folder}/${path};`).join("\n        ")}
        server {
          listen 127.0.0.1:${port};
          ${server}
        }
      }`,
    (file, folder) => ["-p", folder, "-c", file],
  );
}

/// haproxy, which passes the Host on by itself. Without `http-no-delay` it holds events back; without `abortonclose` it
/// tells the hub of a client that has gone only when the next event is for it.
export function start_haproxy(hub_port) {
  return start_reverse_proxy(
    "haproxy",
    (port) => `
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option http-no-delay
  option abortonclose
frontend web
  bind 127.0.0.1:${port}
  default_backend hub
backend hub
  server hub 127.0.0.1:${hub_port}
`,
    (file) => ["-db", "-f", file],
  );
}
