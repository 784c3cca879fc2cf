// The hub on a Unix socket: curl as a client, nginx in front, and what becomes of the socket's file.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { start } from "./support/program.mjs";
import { start_nginx_alone } from "./support/reverse_proxies.mjs";
import { within } from "./support/until.mjs";

const folder = mkdtempSync(join(tmpdir(), "spate-unix-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, "hub.sock");

const run_hub = (...options) => start(process.env.HUB, ["--address", `unix:${path}`, ...options]);
async function start_hub(...options) {
  const hub = run_hub(...options);
  const [, where] = await hub.printed(/^listening on (.*)\n/);
  assert.equal(where, `unix:${path}` + (options.includes("--tls-self-signed") ? " with TLS" : ""));
  return hub;
}

const curl = (...options) => start("curl", ["-sS", "--unix-socket", path, ...options]);
/// What curl prints about one request: the status, a line end, the body.
async function answer(...options) {
  const asking = curl("-o", "-", "-w", "\n%{http_code}", ...options);
  await within("curl's end", asking.exit);
  const [, body, status] = /^([^]*)\n(\d+)$/.exec(asking.stdout) ?? [];
  return { status: Number(status), body, stderr: asking.stderr };
}

describe("the hub on a Unix socket", { timeout: 120_000 }, () => {
  const hubs = [];
  const started = async (...options) => hubs[hubs.push(await start_hub(...options)) - 1];
  after(() => Promise.all(hubs.map((hub) => hub.stop("SIGKILL"))));

  test("curl subscribes and sends there, and a stop removes the file", async () => {
    const hub = await started();
    const listening = curl("-N", "http://localhost/sse/subscribe/ann");
    await listening.printed(/event: connected\n/);
    assert.equal((await answer("-d", "hello", "http://localhost/sse/send/ann")).status, 202);
    await listening.printed(/data: hello\n/);
    await listening.stop();
    assert.equal(await hub.stop("SIGTERM"), 0);
    assert.ok(!existsSync(path));
  });

  test("a second hub is refused while the first serves on, and replaces what one that was killed has left", async () => {
    const first = await started();
    const second = run_hub();
    assert.equal(await within("the second's end", second.exit), 1);
    assert.equal(second.stderr.trim(), `hub: cannot listen on unix:${path}: Address already in use`);
    assert.equal((await answer("http://localhost/healthz")).status, 200);
    await first.stop("SIGKILL");
    assert.ok(existsSync(path));
    const third = await started();
    assert.equal((await answer("http://localhost/healthz")).status, 200);
    assert.equal(await third.stop("SIGTERM"), 0);
  });

  test("a path that is too long is refused by its length, and quoted", async () => {
    const long = "/tmp/" + "x".repeat(200);
    const hub = start(process.env.HUB, ["--address", `unix:${long}`]);
    assert.equal(await within("its end", hub.exit), 2);
    assert.match(hub.stderr, new RegExp(`--address: .*at most 107 bytes: "unix:${long.slice(0, 20)}`));
  });

  test("without a publish token only loopback's names and those listed are served; with one, every name", async () => {
    const status_for = async (host) => (await answer("-H", `Host: ${host}`, "http://localhost/sse/users")).status;
    const open = await started();
    assert.equal(await status_for("localhost"), 200);
    assert.equal(await status_for("hub.example.test"), 403);
    await open.stop("SIGTERM");
    const listed = await started("--allow-host", "hub.example.test");
    assert.equal(await status_for("localhost"), 200);
    assert.equal(await status_for("hub.example.test"), 200);
    assert.equal(await status_for("other.example.test"), 403);
    await listed.stop("SIGTERM");
    const guarded = await started("--publish-token", "secret");
    assert.equal(await status_for("hub.example.test"), 200);
    await guarded.stop("SIGTERM");
  });

  test("it may speak TLS, and says so", async () => {
    const hub = await started("--tls-self-signed");
    const { status, body } = await answer("--insecure", "https://localhost/healthz");
    assert.deepEqual([status, body], [200, "ok"]);
    const plain = await answer("http://localhost/healthz");
    assert.equal(plain.status, 400);
    assert.match(plain.body, /TLS/);
    assert.equal(await hub.stop("SIGTERM"), 0);
  });

  test("nginx in front passes events on, and its connections count as nobody's", async () => {
    const hub = await started("--max-connections-per-address", "1");
    const proxy = await start_nginx_alone(`location / { proxy_pass http://unix:${path}; }`);
    const readers = ["ann", "bob", "eve"].map((user) => start("curl", ["-sSN", `${proxy.url}/sse/subscribe/${user}`]));
    try {
      for (const reader of readers) await reader.printed(/event: connected\n/);
      assert.equal((await answer("-d", "to all", "http://localhost/sse/broadcast")).status, 202);
      for (const reader of readers) await reader.printed(/data: to all\n/);
    } finally {
      for (const reader of readers) await reader.stop();
      await proxy.stop();
      await hub.stop("SIGTERM");
    }
  });
});
