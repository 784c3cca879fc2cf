// The files of examples/deploy in the hands of the programs that they are for: each is taken as it stands, but for the
// ports, the folders and the certificate of this machine.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ask } from "./support/ask.mjs";
import { launch_browser } from "./support/browser.mjs";
import { Authority } from "./support/certificates.mjs";
import { free_port } from "./support/free_port.mjs";
import { start_hub } from "./support/hub.mjs";
import { start } from "./support/program.mjs";
import { until } from "./support/until.mjs";

const LATEST_MS = 200;
const host = "events.example.com";
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };

/// The text of `name` in examples/deploy with each of `changes` made; one that is not there to be changed is an error.
function deployed(name, changes) {
  let text = readFileSync(new URL(`../../examples/deploy/${name}`, import.meta.url), "utf8");
  for (const [from, to] of changes) {
    assert.ok(text.includes(from), `${name} has no "${from}"`);
    text = text.replaceAll(from, to);
  }
  return text;
}

const authority = new Authority();
const pair = authority.issue(host);
const folders = [];
after(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/// What each program is told: its configuration, of which `idle` is the quiet time it allows, and its command line.
const proxies = {
  nginx: ({ hub, plain, port, folder, idle }) => {
    const changes = [
      ["user www-data;", ""],
      ["/run/nginx.pid", `${folder}/nginx.pid`],
      ["error_log /var/log/nginx/error.log", "error_log stderr"],
      ["/var/log/nginx/access.log", `${folder}/access.log`],
      ["worker_rlimit_nofile 65536;", "daemon off; master_process off;"],
      ["worker_connections 32768", "worker_connections 512"],
      ["http {\n", `http {\n${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((path) => `${path}_temp_path ${folder}/${path};`).join("\n")}\n`],
      ["server 127.0.0.1:8080;", `server 127.0.0.1:${hub};`],
      ["listen 80;", `listen 127.0.0.1:${plain};`],
      ["listen 443 ssl http2;", `listen 127.0.0.1:${port} ssl http2;`],
      ["/etc/ssl/events/chain.pem", pair.certificate],
      ["/etc/ssl/events/key.pem", pair.key],
    ];
    if (idle) changes.push(["proxy_read_timeout 75s", `proxy_read_timeout ${idle}`]);
    writeFileSync(join(folder, "nginx.conf"), deployed("nginx.conf", changes));
    return ["nginx", ["-p", folder, "-e", "stderr", "-c", join(folder, "nginx.conf")]];
  },
  haproxy: ({ hub, plain, port, folder, idle }) => {
    writeFileSync(join(folder, "events.pem"), readFileSync(pair.certificate, "utf8") + readFileSync(pair.key, "utf8"));
    const changes = [
      ["log /dev/log local0", "log stdout format raw local0"],
      ["  user haproxy\n  group haproxy\n", ""],
      ["maxconn 32768", "maxconn 200"],
      ["bind :80", `bind 127.0.0.1:${plain}`],
      ["bind :443", `bind 127.0.0.1:${port}`],
      ["/etc/haproxy/events.pem", join(folder, "events.pem")],
      ["server program 127.0.0.1:8080", `server program 127.0.0.1:${hub}`],
    ];
    if (idle) changes.push(["timeout client 75s ", `timeout client ${idle} `], ["timeout server 75s", `timeout server ${idle}`]);
    writeFileSync(join(folder, "haproxy.cfg"), deployed("haproxy.cfg", changes));
    return ["haproxy", ["-db", "-f", join(folder, "haproxy.cfg")]];
  },
  // It gives up no quiet stream, and so has nothing to be shortened.
  caddy: ({ hub, plain, port, folder }) => {
    const options = `{\n\tadmin off\n\tauto_https disable_redirects\n\thttp_port ${plain}\n\tstorage file_system ${folder}\n}\n`;
    const changes = [
      [`\n${host} {`, `\nhttps://${host}:${port} {\n\tbind 127.0.0.1\n\ttls ${pair.certificate} ${pair.key}`],
      ["reverse_proxy 127.0.0.1:8080", `reverse_proxy 127.0.0.1:${hub}`],
    ];
    writeFileSync(join(folder, "Caddyfile"), options + deployed("Caddyfile", changes));
    return ["caddy", ["run", "--adapter", "caddyfile", "--config", join(folder, "Caddyfile")]];
  },
};

async function deploy(name, hub, idle) {
  const folder = mkdtempSync(join(tmpdir(), `spate-deploy-${name}-`));
  folders.push(folder);
  const [plain, port] = [await free_port(), await free_port()];
  const [command, args] = proxies[name]({ hub: hub.port, plain, port, folder, idle });
  const program = start(command, args, { env: { ...env, HOME: folder } });
  const proxy = { plain, port, url: `https://${host}:${port}`, program, stop: () => program.stop("SIGTERM") };
  // Its name is not known to the system's resolver, only to whoever asks here.
  const lookup = (_, options, found) => (options.all ? found(null, [{ address: "127.0.0.1", family: 4 }]) : found(null, "127.0.0.1", 4));
  proxy.ask = (path, options) => ask(proxy.url + path, { ca: authority.pem, lookup, servername: host, ...options });
  proxy.curl = (path, ...more) =>
    start("curl", ["-sS", "-N", "--cacert", authority.file, "--resolve", `${host}:${port}:127.0.0.1`, ...more, proxy.url + path]);
  proxy.logged = () => program.stdout + (name === "nginx" ? readFileSync(join(folder, "access.log"), "utf8") : "");
  await until(`${name} to answer`, async () => {
    if (program.ended !== undefined) throw new Error(`${name} ended with ${program.ended}: ${program.stderr}`);
    return (await proxy.ask("/healthz").catch(() => undefined))?.status === 200;
  });
  return proxy;
}

const heartbeats = (curl) => curl.stdout.split("\n").filter((line) => line === ":").length;

for (const name of Object.keys(proxies)) {
  describe(`${name} as in examples/deploy`, { timeout: 200_000 }, () => {
    let hub;
    let proxy;
    before(async () => {
      hub = await start_hub("--allow-host", host, "--poll-grace-ms", "0");
      proxy = await deploy(name, hub);
    });
    after(async () => {
      await proxy?.stop();
      await hub?.stop();
    });
    const nobody = () => until("everybody to be gone", async () => (await hub.users()).length === 0);

    for (const [version, line] of [["--http2", "HTTP/2 200"], ["--http1.1", "HTTP/1.1 200"]]) {
      test(`each event arrives within ${LATEST_MS} ms, ${version}`, async () => {
        const curl = proxy.curl("/sse/subscribe/alice", "-i", version);
        try {
          await curl.printed(/event: connected\n/);
          assert.ok(curl.stdout.startsWith(line), curl.stdout);
          const times = [];
          for (let number = 0; number < 20; ++number) {
            const mark = `<${number}>`;
            const sent = performance.now();
            await hub.send("/sse/send/alice", "x".repeat(number * 10) + mark);
            await until(mark, () => curl.stdout.includes(mark + "\n"));
            times.push(performance.now() - sent);
          }
          assert.ok(Math.max(...times) < LATEST_MS, `took ${times.map((time) => time.toFixed(1)).join(", ")} ms`);
        } finally {
          await curl.stop();
        }
        // The program is told that its client has gone, without an event for it.
        await nobody();
      });
    }

    test("who comes back gets what was sent meanwhile, once and in order", async () => {
      const first = proxy.curl("/sse/subscribe/bob", "--http2");
      await first.printed(/event: connected\n/);
      const { id } = await hub.send("/sse/send/bob", "heard");
      await first.printed(/data: heard\n/);
      await first.stop();
      await nobody();
      for (const data of ["missed one", "missed two"]) await hub.send("/sse/send/bob", data);
      const second = proxy.curl("/sse/subscribe/bob", "--http2", "-H", `Last-Event-ID: ${id}`);
      try {
        await second.printed(/data: missed two\n/);
        await hub.send("/sse/send/bob", "live");
        await second.printed(/data: live\n/);
        const data = second.stdout.split("\n").filter((line) => line.startsWith("data: ")).slice(1);
        assert.deepEqual(data, ["data: missed one", "data: missed two", "data: live"]);
        assert.doesNotMatch(second.stdout, /event: gap/);
      } finally {
        await second.stop();
      }
      await nobody();
    });

    test("answers, refusals and bodies pass as well", async () => {
      assert.deepEqual((await proxy.ask("/sse/users")).json(), []);
      assert.equal((await proxy.ask("/nowhere")).status, 404);
      const sent = await proxy.ask("/sse/broadcast", { method: "POST", body: "for all", headers: { "content-length": "7" } });
      assert.equal(sent.status, 202, sent.text);
      assert.deepEqual((await proxy.ask("/sse/subscribe/carol?transport=poll&timeout=0&last_event_id=earliest")).json().events.at(-1).data, "for all");
    });

    if (name !== "caddy") {
      test("a plain request is sent on to TLS", async () => {
        const answer = await ask(`http://127.0.0.1:${proxy.plain}/sse/users?x=1`, { headers: { host } });
        assert.equal(answer.status, 301);
        assert.equal(answer.headers.location, `https://${host}/sse/users?x=1`);
      });

      test("a token in a query is not logged", async () => {
        const curl = proxy.curl("/sse/subscribe/dora?access_token=a-secret");
        await curl.printed(/event: connected\n/);
        await curl.stop();
        await nobody();
        await until("a line of the log", () => proxy.logged().includes("/sse/subscribe/dora"));
        assert.doesNotMatch(proxy.logged(), /a-secret/);
      });
    }
  });

  if (name === "caddy") continue;
  describe(`${name} as in examples/deploy, but that a quiet second is too long for it`, { timeout: 200_000 }, () => {
    test("a quiet stream stays, for its heartbeats", async () => {
      const hub = await start_hub("--allow-host", host, "--heartbeat-ms", "200");
      const proxy = await deploy(name, hub, "1s");
      const curl = proxy.curl("/sse/subscribe/alice", "--http2");
      try {
        await curl.printed(/event: connected\n/);
        await until("three seconds of heartbeats", () => heartbeats(curl) >= 15);
        await hub.send("/sse/send/alice", "still here");
        await curl.printed(/data: still here\n/);
      } finally {
        await curl.stop();
        await proxy.stop();
        await hub.stop();
      }
    });

    test("one without them is cut", async () => {
      const hub = await start_hub("--allow-host", host, "--heartbeat-ms", "0");
      const proxy = await deploy(name, hub, "1s");
      const curl = proxy.curl("/sse/subscribe/alice", "--http2");
      try {
        await curl.printed(/event: connected\n/);
        await until("the end", () => curl.ended !== undefined);
      } finally {
        await curl.stop();
        await proxy.stop();
        await hub.stop();
      }
    });
  });
}

describe("a browser before the proxies of examples/deploy", { timeout: 200_000 }, () => {
  let browser;
  before(async () => (browser = await launch_browser({ args: [`--host-resolver-rules=MAP ${host} 127.0.0.1`] })));
  after(() => browser?.close());

  for (const name of Object.keys(proxies)) {
    test(`${name}: more tabs than HTTP/1.1 has connections for, and each hears every event`, async () => {
      const TABS = 10;
      const hub = await start_hub("--allow-host", host);
      const proxy = await deploy(name, hub);
      const context = await browser.newContext({ ignoreHTTPSErrors: true, baseURL: proxy.url });
      try {
        const page = await context.newPage();
        await page.goto("/healthz");
        await page.evaluate((count) => {
          window.heard = [];
          window.sources = Array.from({ length: count }, (_, number) => {
            const source = new EventSource("/sse/subscribe/tab-" + number);
            source.onmessage = ({ data }) => heard.push(data);
            return source;
          });
        }, TABS);
        await until("open sources", () => page.evaluate(() => sources.every(({ readyState }) => readyState === 1)));
        assert.equal((await hub.send("/sse/broadcast", "for all")).streams, TABS);
        await until("the event", () => page.evaluate((count) => heard.length === count, TABS));
      } finally {
        await context.close();
        await proxy.stop();
        await hub.stop();
      }
    });
  }
});
