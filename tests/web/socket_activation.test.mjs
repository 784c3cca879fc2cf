// The hub on sockets that systemd passes to it, and the unit files that have it so.
import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { free_port } from "./support/free_port.mjs";
import { start } from "./support/program.mjs";
import { within } from "./support/until.mjs";

const folder = mkdtempSync(join(tmpdir(), "spate-activation-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

describe("the hub on sockets of systemd's", { timeout: 120_000 }, () => {
  const programs = [];
  after(() => Promise.all(programs.map((program) => program.stop("SIGKILL"))));

  /// Listens on `sockets`, and becomes the hub when somebody connects.
  async function activated(sockets, ...options) {
    const listens = sockets.flatMap((socket) => ["-l", socket]);
    const program = start("systemd-socket-activate", [...listens, process.env.HUB, ...options]);
    programs.push(program);
    for (const socket of sockets) await program.printed(new RegExp(`Listening on .*${socket.replaceAll(".", "\\.")}`), "stderr");
    assert.equal(program.stdout, "");
    return program;
  }

  async function answer(...options) {
    const asking = start("curl", ["-sS", "--max-time", "20", ...options]);
    await within("curl's end", asking.exit);
    return asking.stdout || asking.stderr;
  }

  test("whoever connects first starts it, and is answered", async () => {
    const port = await free_port();
    const path = join(folder, "hub.sock");
    const hub = await activated([`127.0.0.1:${port}`, path]);
    assert.equal(await answer(`http://127.0.0.1:${port}/healthz`), "ok");
    assert.match(hub.stdout, new RegExp(`^listening on http://127.0.0.1:${port}\n`));
    assert.equal(await answer("--unix-socket", path, "http://localhost/healthz"), "ok");
    // A stream, an event, and the end of it all.
    const reader = start("curl", ["-sSN", `http://127.0.0.1:${port}/sse/subscribe/ann`]);
    await reader.printed(/event: connected\n/);
    await answer("-d", "hello", `http://127.0.0.1:${port}/sse/send/ann`);
    await reader.printed(/data: hello\n/);
    assert.equal(await hub.stop("SIGTERM"), 0, hub.stderr);
    await reader.printed(/event: closing\n/);
  });

  test("what reaches beyond this machine needs a token there as well", async () => {
    const port = await free_port();
    const hub = await activated([`0.0.0.0:${port}`]);
    answer(`http://127.0.0.1:${port}/healthz`);
    assert.equal(await within("its end", hub.exit), 1);
    assert.match(hub.stderr, /hub: listening on 0\.0\.0\.0 without --publish-token would let anybody send\n/);
  });

  test("sockets that were passed to another process are refused", async () => {
    const hub = start(process.env.HUB, ["--port", "0"], { env: { ...process.env, LISTEN_PID: "1", LISTEN_FDS: "1" } });
    assert.equal(await within("its end", hub.exit), 1);
    assert.match(hub.stderr, /^hub: .*LISTEN_PID is 1, and this is the process \d+.*\n$/);
  });

  test("systemd understands the unit files", async () => {
    const deploy = new URL("../../examples/deploy/", import.meta.url);
    copyFileSync(new URL("spate-hub.socket", deploy), join(folder, "spate-hub.socket"));
    // Where this hub is.
    const service = readFileSync(new URL("spate-hub.service", deploy), "utf8").replace("/usr/local/bin/hub", process.env.HUB);
    writeFileSync(join(folder, "spate-hub.service"), service);
    const verify = start("systemd-analyze", ["verify", "--man=no", join(folder, "spate-hub.service"), join(folder, "spate-hub.socket")]);
    const status = await within("the end of systemd-analyze", verify.exit);
    assert.deepEqual([status, verify.stderr.split("\n").filter((line) => line.includes("spate-hub"))], [0, []], verify.stderr);
  });
});
