// Mixed load for a while, on a hub in the clear and on one that speaks TLS, each by HTTP/1.1 and by HTTP/2 at once:
// clients that come and go, stall, resume and poll; sends to users, groups and everybody; connections that mean harm.
// Every client hears what it was sent exactly once and in order, and when all have left, descriptors, memory and counts
// are where they were. A hub that was built without TLS or HTTP/2 is told of by PROTOCOLS=http1: then there is one.
//
//   HUB=build/dev/examples/hub SPATE_SOAK_SECONDS=3600 node tests/soak/soak.test.mjs
import assert from "node:assert/strict";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import net from "node:net";
import tls from "node:tls";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { start } from "../web/support/program.mjs";
import { until } from "../web/support/until.mjs";

const seconds = Number(process.env.SPATE_SOAK_SECONDS ?? 30);
const ALONE = process.env.PROTOCOLS === "http1";
// Of each hub.
const CLIENTS = ALONE ? 40 : 20;
const POLLERS = ALONE ? 6 : 4;
const PACE_MS = ALONE ? 20 : 40;
// Half of the clients speak HTTP/2, and share these.
const SHARED_CONNECTIONS = 3;
// Two publishers fill this history in 20 s at the earliest: longer than a client is away that stalls, is cut off with
// all that it had not read, and stalls again, a few times in a row.
const HISTORY_EVENTS = 2000;
const HISTORY_BYTES = 12_000_000;

// A generator of its own, so that a run can be had again.
let state = 20_250_401;
function random(below) {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
}

const sequence = (id) => Number(id.slice(id.lastIndexOf("-") + 1));

// The certificate is one that the hub has made for itself.
const tls_options = { rejectUnauthorized: false };

/// Requests by HTTP/1.1, whose connections are kept for others.
class Http1Caller {
  constructor(hub) {
    const from = hub.secure ? https : http;
    const agent = new from.Agent({ keepAlive: true, ...tls_options });
    this.request = (path, method) => from.request(hub.url + path, { method, agent });
    this.close = () => agent.destroy();
  }
  /// Asks; then {status, body}, and `drop` which ends it, answered or not.
  open(path, { method = "GET", body } = {}) {
    return new Promise((resolve, reject) => {
      const request = this.request(path, method);
      request.on("error", reject);
      request.on("response", (answer) => resolve({ status: answer.statusCode, body: answer, drop: () => request.destroy() }));
      request.end(body);
    });
  }
}

/// The same by HTTP/2, over one connection, and another one when that has gone.
class Http2Caller {
  constructor(hub) {
    this.hub = hub;
  }
  open(path, { method = "GET", body } = {}) {
    if (!this.session || this.session.closed || this.session.destroyed) {
      this.session = http2.connect(this.hub.url, tls_options);
      this.session.on("error", () => {}); // its streams tell
    }
    return new Promise((resolve, reject) => {
      const stream = this.session.request({ ":method": method, ":path": path }, { endStream: body === undefined });
      const drop = () => stream.close(http2.constants.NGHTTP2_CANCEL);
      stream.on("error", reject);
      stream.on("close", () => reject(new Error("the stream is closed")));
      stream.on("response", (head) => resolve({ status: head[":status"], body: stream, drop }));
      if (body !== undefined) stream.end(body);
    });
  }
  /// With all that is on it.
  close() {
    this.session?.destroy();
  }
}

/// A hub under test.
class Hub {
  static async start(...options) {
    assert.ok(process.env.HUB, "set HUB to the hub's executable");
    const program = start(process.env.HUB, ["--port", "0", ...options]);
    const [, url] = await program.printed(/^listening on (https?:\S+)\n/);
    return new Hub(program, url);
  }
  constructor(program, url) {
    const { protocol, port } = new URL(url);
    Object.assign(this, { program, url, secure: protocol === "https:", port: Number(port) });
    this.callers = (ALONE ? [Http1Caller] : [Http1Caller, Http2Caller]).map((Caller) => new Caller(this));
  }
  /// By this protocol and that.
  async ask(path, options) {
    const { status, body } = await this.callers[random(this.callers.length)].open(path, options);
    return { status, json: JSON.parse(await text(body)) };
  }
  async send(path, data) {
    const { status, json } = await this.ask(path, { method: "POST", body: data });
    assert.equal(status, 202, JSON.stringify(json));
    return json;
  }
  async count() {
    return (await this.ask("/sse/count")).json;
  }
  /// Keeps no connection.
  hang_up() {
    for (const caller of this.callers) caller.close();
  }
  async stop() {
    this.hang_up();
    assert.equal(await this.program.stop("SIGTERM"), 0, this.program.stderr);
  }
}

/// What every client does: it hears, and remembers in which order.
class Listener {
  constructor(hub, user, caller) {
    Object.assign(this, { hub, user, caller, cursor: "", heard: [], first: undefined, gaps: [], done: false });
  }
  take({ id, event, data }) {
    if (event === "gap") this.gaps.push(data);
    if (!id) return;
    this.cursor = id;
    if (event === "connected") this.first ??= sequence(id);
    if (event !== "note") return;
    this.heard.push(sequence(id));
    if (data === this.last) this.done = true;
  }
  path(query = "") {
    const cursor = this.cursor && "&last_event_id=" + encodeURIComponent(this.cursor);
    return `/sse/subscribe/${this.user}?client=${this.user}${cursor}${query}`;
  }
  async run() {
    while (!this.done) await this.once().catch(() => pause(20));
  }
}

class Streamer extends Listener {
  /// One stream: until the hub ends it, or a whim of ours.
  async once() {
    const { status, body, drop } = await this.caller.open(this.path());
    assert.equal(status, 200);
    await new Promise((resolve) => {
      let whim;
      const end = () => {
        clearTimeout(whim);
        drop();
        resolve();
      };
      let rest = "";
      body.setEncoding("utf8");
      body.on("data", (piece) => {
        const blocks = (rest + piece).split("\n\n");
        rest = blocks.pop();
        for (const block of blocks) this.take(Object.fromEntries(block.split("\n").map((line) => line.split(/: ?(.*)/s))));
        if (this.done) end();
      });
      body.on("close", end);
      body.on("error", end);
      const kind = random(20);
      if (kind < 12) {
        whim = setTimeout(end, 30 + random(2000)); // it drops, at any byte
      } else if (kind < 16) {
        body.pause(); // it stalls, longer or shorter than the hub has patience
        whim = setTimeout(() => body.resume(), 500 + random(4000));
      } else if (kind === 16) {
        whim = setTimeout(() => this.caller.close(), random(2000)); // its connection drops, whoever else is on it
      }
    });
  }
}

class Poller extends Listener {
  async once() {
    const { status, body } = await this.caller.open(this.path("&transport=poll&timeout=" + random(500)));
    assert.equal(status, 200);
    const { events, last_event_id } = JSON.parse(await text(body));
    this.first ??= sequence(last_event_id);
    for (const { id, event, data } of events) this.take({ id, event, data });
    this.cursor = last_event_id;
  }
}

/// Connections that mean harm, or know no better.
async function hostile(hub) {
  const beginnings = [
    "", "G", "GET / HTT", "GET / HTTP/1.1\r\nHost: localhost\r\n", "\r\n\r\n\r\n", "\0\0\0", "\x16\x03\x01\x02\x00",
    "POST /sse/broadcast HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf",
    "POST /sse/broadcast HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET /sse/subscribe/nobody HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /" + "x".repeat(9000) + " HTTP/1.1\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\0\0\0\x04\0\0\0\0\0".repeat(500),
  ];
  const shakes_hands = hub.secure && random(2);
  const socket = shakes_hands ? tls.connect(hub.port, "127.0.0.1", tls_options) : net.connect(hub.port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write(beginnings[random(beginnings.length)]);
  await pause(random(400));
  if (!shakes_hands && random(2)) socket.resetAndDestroy();
  else socket.destroy();
}

/// Sends again and again, at most once in PACE_MS on whatever machine; `sent` gets the sequence number of each event
/// with whom it is for.
async function publish(hub, sent, running) {
  while (running()) {
    const kind = random(10);
    const user = "user" + random(CLIENTS + POLLERS);
    const [path, is_for] =
      kind < 6 ? ["/sse/send/" + user, (name) => name === user]
      : kind < 8 ? ["/sse/group/user1", (name) => name.startsWith("user1")]
      : ["/sse/broadcast", () => true];
    const size = random(50) === 0 ? 100_000 : random(2000);
    const { id } = await hub.send(path + "?event=note", "z".repeat(size));
    sent.push({ sequence: sequence(id), is_for });
    await pause(PACE_MS + random(5));
  }
}

function usage(hub) {
  return {
    descriptors: readdirSync(`/proc/${hub.program.pid}/fd`).length,
    resident_kib: Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${hub.program.pid}/status`, "utf8"))[1]),
  };
}

/// One run of the load; throws when a client has not heard exactly what it was sent.
async function load(hub, for_seconds) {
  const shared = Array.from({ length: SHARED_CONNECTIONS }, () => new Http2Caller(hub));
  const callers = Array.from({ length: CLIENTS + POLLERS }, (_, i) =>
    ALONE || i % 2 === 0 ? new Http1Caller(hub) : shared[((i - 1) / 2) % SHARED_CONNECTIONS],
  );
  const listeners = callers.map((caller, i) => new (i < CLIENTS ? Streamer : Poller)(hub, "user" + i, caller));
  const last = "the end of this load";
  for (const listener of listeners) listener.last = last;
  const heard = Promise.all(listeners.map((listener) => listener.run()));
  await until("all to have their place", () => listeners.every(({ first }) => first !== undefined), 30_000);

  const sent = [];
  const end = performance.now() + for_seconds * 1000;
  const running = () => performance.now() < end;
  const attacks = (async () => {
    while (running()) await Promise.all([hostile(hub), hostile(hub), hostile(hub)]);
  })();
  await Promise.all([publish(hub, sent, running), publish(hub, sent, running), attacks]);
  const { id } = await hub.send("/sse/broadcast?event=note", last);
  sent.push({ sequence: sequence(id), is_for: () => true });
  await Promise.race([heard, pause(60_000, undefined, { ref: false })]);
  sent.sort((a, b) => a.sequence - b.sequence);
  for (const { user, first, heard, gaps, done } of listeners) {
    assert.ok(done, user + " never heard the end");
    assert.deepEqual(gaps, [], user + " was told of a gap");
    assert.deepEqual(heard, sent.filter((each) => each.sequence > first && each.is_for(user)).map((each) => each.sequence), user);
  }
  for (const caller of callers) caller.close();
  // Once more when it fails: a connection that was kept may end, after its second of patience, just as it is used.
  const count = () => hub.count().catch(() => hub.count());
  await until("all to be gone", async () => (await count()).streams === 0, 30_000);
  assert.deepEqual(await count(), { users: 0, streams: 0 });
  return { events: sent.length, heard: listeners.reduce((sum, { heard }) => sum + heard.length, 0) };
}

/// From here on history does not grow.
async function fill_history(hub, events, bytes) {
  const data = "h".repeat(Math.ceil(bytes / events));
  for (let left = events; left > 0; left -= 10) {
    await Promise.all(Array.from({ length: 10 }, () => hub.send("/sse/broadcast?event=note", data)));
  }
}

/// How many connections to the hub are open.
function connections(hub) {
  const port = ":" + hub.port.toString(16).toUpperCase().padStart(4, "0");
  const rows = readFileSync("/proc/net/tcp", "latin1").trim().split("\n").slice(1).map((row) => row.trim().split(/\s+/));
  const over = ["06", "07", "0A"]; // TIME_WAIT, CLOSE, LISTEN: no descriptor of a connection belongs to these
  return rows.filter(([, local, , state]) => local.endsWith(port) && !over.includes(state)).length;
}

/// What the hub holds when no connection is left.
async function at_rest(hub) {
  hub.hang_up();
  await until("every connection to be closed", () => connections(hub) === 0, 90_000);
  let before = usage(hub);
  await until("the hub to be at rest", async () => {
    await pause(300);
    const now = usage(hub);
    const same = now.descriptors === before.descriptors;
    before = now;
    return same;
  }, 30_000);
  return before;
}

/// The whole test of one hub. Throws when it has lost something, or kept what it should not.
async function soak(...options) {
  const hub = await Hub.start(
    "--threads", "2", "--replay-events", String(HISTORY_EVENTS), "--replay-bytes", String(HISTORY_BYTES), "--max-queued-bytes", "65536",
    "--write-timeout-ms", "2000", "--request-timeout-ms", "1000", "--poll-grace-ms", "500", "--heartbeat-ms", "500", ...options,
  );
  try {
    const fresh = await at_rest(hub);
    await fill_history(hub, HISTORY_EVENTS, HISTORY_BYTES);
    // Until every pool has its size.
    const warm_up = Math.max(10, seconds * 0.3);
    await load(hub, warm_up);
    const before = await at_rest(hub);
    const { events, heard } = await load(hub, seconds - warm_up);
    const after = await at_rest(hub);
    console.log(`${hub.url}: fresh ${JSON.stringify(fresh)}, before ${JSON.stringify(before)}, after ${JSON.stringify(after)}: ${events} events, ${heard} heard`);
    assert.equal(before.descriptors, fresh.descriptors);
    assert.equal(after.descriptors, fresh.descriptors);
    // What a sanitizer keeps of freed memory tells nothing.
    if (!process.env.SANITIZE) {
      assert.ok(after.resident_kib <= before.resident_kib * 1.25 + 8192, "memory has grown");
    }
  } finally {
    await hub.stop();
  }
  assert.equal(hub.program.stderr, "");
}

test(`mixed load for ${seconds} s leaves nothing behind`, { timeout: (seconds + 300) * 1000 }, async () => {
  await Promise.all(ALONE ? [soak()] : [soak(), soak("--tls-self-signed")]);
});
