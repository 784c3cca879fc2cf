// Hosts that vanish and networks that lose, delay and squeeze: the hub in one network namespace, its clients in another,
// a pair of virtual devices between them. Needs root. Where the kernel has no namespaces, or does not let us, it says so
// and ends with 77, which ctest counts as skipped.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { start } from "../web/support/program.mjs";
import { until } from "../web/support/until.mjs";

const here = `spate-hub-${process.pid}`;
const there = `spate-net-${process.pid}`;
const [hub_address, client_address] = ["10.231.7.1", "10.231.7.2"];

function run(command, ...args) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
  return { ok: status === 0, text: stdout + stderr };
}
function must(...command) {
  const { ok, text } = run(...command);
  if (!ok) throw new Error(command.join(" ").slice(0, 200) + ": " + text);
  return text;
}
const ip = (...args) => must("ip", ...args);

function set_up() {
  for (const name of [here, there]) {
    ip("netns", "add", name);
    ip("-n", name, "link", "set", "lo", "up");
  }
  ip("-n", here, "link", "add", "name", "hub0", "type", "veth", "peer", "name", "net0", "netns", there);
  ip("-n", here, "address", "add", hub_address + "/24", "dev", "hub0");
  ip("-n", there, "address", "add", client_address + "/24", "dev", "net0");
  link_up();
}
function link_up() {
  ip("-n", here, "link", "set", "hub0", "up");
  ip("-n", there, "link", "set", "net0", "up");
}
function clean_up() {
  for (const name of [here, there]) run("ip", "netns", "delete", name);
}

try {
  set_up();
} catch (error) {
  clean_up();
  console.error("SKIPPED: there are no network namespaces to be had here: " + error.message);
  process.exit(77);
}
process.on("exit", clean_up);

describe("a hub beyond a network", { timeout: 170_000 }, () => {
  let hub;
  let url;
  const publish = ["-H", "Authorization: Bearer publisher"];

  beforeEach(async () => {
    link_up();
    const options = ["--port", "0", "--address", hub_address, "--publish-token", "publisher"];
    options.push("--write-timeout-ms", "1500", "--heartbeat-ms", "200");
    hub = start("ip", ["netns", "exec", here, process.env.HUB, ...options]);
    [, url] = await hub.printed(/^listening on (http:\S+)\n/);
  });
  afterEach(async () => {
    assert.equal(await hub.stop(), 0, hub.stderr);
    assert.equal(hub.stderr, "");
  });

  const beside = (...args) => must("ip", "netns", "exec", here, "curl", "-sS", "--max-time", "20", ...args);
  const send = (user, data) => beside(...publish, "--data-binary", data, url + "/sse/send/" + user);
  const count = () => JSON.parse(beside(url + "/sse/count"));
  const metric = (name) => Number(new RegExp("^" + name.replace(/[{}"]/g, "\\$&") + " (\\d+)$", "m").exec(beside(url + "/metrics"))[1]);
  /// A client over there; what it has heard is its `stdout`.
  const listen = (user, ...options) =>
    start("ip", ["netns", "exec", there, "curl", "-sN", ...options, url + "/sse/subscribe/" + user]);
  // `ip` becomes the program that it runs.
  const resident_kib = () => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${hub.pid}/status`, "utf8"))[1]);
  const link_of = (fd) => {
    try {
      return readlinkSync(`/proc/${hub.pid}/fd/${fd}`);
    } catch {
      return ""; // closed meanwhile
    }
  };

  test("a host that vanished is noticed by the write deadline, with nothing but heartbeats on the way", async () => {
    const clients = Array.from({ length: 20 }, (_, i) => listen("user" + i));
    await until("all to be there", () => count().streams === 20);
    ip("-n", there, "link", "set", "net0", "down");
    await until("nobody to be there", () => count().streams === 0);
    assert.equal(count().users, 0);
    assert.equal(metric('spate_streams_ended_total{reason="write_timeout"}'), 20);
    for (const client of clients) await client.stop("SIGKILL");
  });

  test("what had been queued for a host that vanished is freed", async () => {
    const big = "x".repeat(100_000);
    send("alice", "warm");
    const before = sockets();
    const client = listen("alice");
    await until("alice to be there", () => count().streams === 1);
    ip("-n", there, "link", "set", "net0", "down");
    for (let i = 0; i < 9; ++i) send("alice", big);
    await until("alice to be gone", () => count().streams === 0);
    await until("its socket to be closed", () => sockets() <= before);
    await client.stop("SIGKILL");
    // History keeps the events once; more than that, and some slack, would be the stream's.
    assert.ok(resident_kib() < 64 * 1024, resident_kib() + " KiB");
  });
  const sockets = () => readdirSync(`/proc/${hub.pid}/fd`).filter((fd) => link_of(fd).startsWith("socket:")).length;

  /// Sends `events` to a client behind what was set up, and compares what it has heard with what was sent.
  async function survives(events, size) {
    const client = listen("alice");
    await until("alice to be there", () => count().streams === 1);
    const sent = Array.from({ length: events }, (_, i) => `${i} `.padEnd(size, "y"));
    for (const data of sent) send("alice", data);
    const heard = () => [...client.stdout.matchAll(/^data: (\d+ y*)$/gm)].map(([, data]) => data);
    await until("all to be heard", () => client.stdout.includes("\ndata: " + sent.at(-1) + "\n\n"), 60_000);
    assert.deepEqual(heard(), sent);
    assert.equal(client.ended, undefined, "the stream broke");
    await client.stop("SIGKILL");
  }

  test("a tiny window and tiny packets lose nothing and mix nothing", async () => {
    ip("-n", here, "link", "set", "hub0", "mtu", "576");
    ip("-n", there, "route", "replace", "10.231.7.0/24", "dev", "net0", "window", "1024");
    try {
      await survives(40, 5000);
    } finally {
      ip("-n", here, "link", "set", "hub0", "mtu", "1500");
    }
  });

  test("a cable that is pulled for a moment loses nothing", async () => {
    const client = listen("alice");
    await until("alice to be there", () => count().streams === 1);
    send("alice", "before");
    ip("-n", there, "link", "set", "net0", "down");
    send("alice", "meanwhile");
    ip("-n", there, "link", "set", "net0", "up");
    send("alice", "after");
    await until("the rest", () => /data: before\n[^]*data: meanwhile\n[^]*data: after\n/.test(client.stdout));
    await client.stop("SIGKILL");
  });

  const netem = run("tc", "-n", here, "qdisc", "replace", "dev", "hub0", "root", "netem", "delay", "1ms");
  for (const [what, ...how] of [
    ["loss", "loss", "5%"],
    ["delay and reordering", "delay", "40ms", "20ms", "reorder", "25%"],
    ["corruption and duplicates", "corrupt", "1%", "duplicate", "5%"],
  ]) {
    test(what + " loses nothing and mixes nothing", { skip: !netem.ok && "NO netem IN THIS KERNEL: " + netem.text }, async () => {
      must("tc", "-n", here, "qdisc", "replace", "dev", "hub0", "root", "netem", ...how);
      try {
        await survives(40, 5000);
      } finally {
        run("tc", "-n", here, "qdisc", "delete", "dev", "hub0", "root");
      }
    });
  }
  before(() => {
    if (!netem.ok) console.error("LEFT OUT: loss, delay and corruption, as the kernel has no netem: " + netem.text);
    run("tc", "-n", here, "qdisc", "delete", "dev", "hub0", "root");
  });
  after(clean_up);
});
