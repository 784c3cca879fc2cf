// nginx, haproxy and caddy in front of a hub, each with a configuration and a folder of its own.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ask } from "./ask.mjs";
import { free_port } from "./free_port.mjs";
import { start } from "./program.mjs";
import { until } from "./until.mjs";

// With `ca` it speaks TLS, and this is the authority of its certificate.
async function start_reverse_proxy(program, configuration, command_line, ca) {
  const folder = mkdtempSync(join(tmpdir(), `spate-${program}-`));
  const port = await free_port();
  const file = join(folder, `${program}.conf`);
  writeFileSync(file, configuration(port, folder));
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
  const running = start(program, command_line(file, folder), { env });
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const proxy = { port, url: `${ca ? "https" : "http"}://127.0.0.1:${port}`, stop: () => running.stop("SIGTERM") };
  await until(`${program} to answer`, async () => {
    if (running.ended !== undefined) throw new Error(`${program} ended with ${running.ended}: ${running.stderr}`);
    return (await ask(proxy.url + "/healthz", { ca }).catch(() => undefined))?.status === 200;
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

/// nginx that speaks TLS and HTTP/2 with `pair`, a certificate of `authority`, in front of the hub at `url`. If the hub
/// speaks TLS as well, its certificate is verified.
export function start_tls_nginx(authority, pair, url) {
  const server = `
          ssl_certificate ${pair.certificate};
          ssl_certificate_key ${pair.key};
          location / {
            proxy_pass ${url};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_ssl_trusted_certificate ${authority.file};
            proxy_ssl_verify on;
            proxy_ssl_verify_depth 2;
            proxy_ssl_name localhost;
          }`;
  return start_nginx_alone(server, { listen: "ssl http2", ca: authority.pem });
}

/// nginx with a server of its own, of which `server` is the configuration; it has to serve /healthz. `listen` are more
/// words of that directive.
export function start_nginx_alone(server, { listen = "", ca } = {}) {
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
          listen 127.0.0.1:${port} ${listen};
          ${server}
        }
      }`,
    (file, folder) => ["-p", folder, "-c", file],
    ca,
  );
}

/// caddy as it comes, with more `directives` of its site, and `settings` of its reverse proxy.
export function start_caddy(hub_port, directives = "", settings = "") {
  return start_reverse_proxy(
    "caddy",
    (port, folder) => `
{
  admin off
  storage file_system ${folder}
}
http://127.0.0.1:${port} {
  bind 127.0.0.1
  ${directives}
  reverse_proxy 127.0.0.1:${hub_port} {
    ${settings}
  }
}
`,
    (file) => ["run", "--adapter", "caddyfile", "--config", file],
  );
}

/// haproxy, which passes the Host on by itself. Without `http-no-delay` it holds events back; without `abortonclose` it
/// tells the hub of a client that has gone only when the next event is for it. `settings` are more of its backend.
export function start_haproxy(hub_port, settings = "") {
  return start_haproxy_between("", `127.0.0.1:${hub_port}`, { settings });
}

/// haproxy that speaks TLS and HTTP/2 with `pair`, a certificate of `authority`, and HTTP/2 with the hub at `url`, over
/// TLS if that says so, and the hub's certificate is verified then.
export function start_http2_haproxy(authority, pair, url) {
  const both = pair.certificate + ".haproxy"; // it wants them in one file
  writeFileSync(both, readFileSync(pair.certificate, "latin1") + readFileSync(pair.key, "latin1"));
  const { protocol, host } = new URL(url);
  const verified = `ssl verify required ca-file ${authority.file} sni str(localhost) alpn h2`;
  const hub = `${host} ${protocol === "https:" ? verified : "proto h2"}`;
  return start_haproxy_between(`ssl crt ${both} alpn h2,http/1.1`, hub, { ca: authority.pem });
}

// `bind` are more words of that directive, and `hub` those of `server`.
function start_haproxy_between(bind, hub, { settings = "", ca }) {
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
  bind 127.0.0.1:${port} ${bind}
  default_backend hub
backend hub
  ${settings}
  server hub ${hub}
`,
    (file) => ["-db", "-f", file],
    ca,
  );
}
