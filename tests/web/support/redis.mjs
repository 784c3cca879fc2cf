// A redis-server of the test's own: on a free port, with its files in a folder that goes with the test.
//
//   const redis = await start_redis({ durable: true });
//   await redis.kill();        // as a crash would
//   await redis.start();       // on the same port, with what it had written
//   redis.pause();             // stopped in its tracks, connections stay open
//   redis.resume();
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { free_port } from "./free_port.mjs";
import { start } from "./program.mjs";
import { until, within } from "./until.mjs";

const folders = [];
process.on("exit", () => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/// Starts a server and waits until it answers. `durable`: every answered write is on the disk first. `password`: what
/// clients must present. `settings`: more of its options, as on its command line.
export async function start_redis(options = {}) {
  const redis = await prepare_redis(options);
  await redis.start();
  return redis;
}

/// The same server before its first start: its address is known, and nobody listens there.
export async function prepare_redis({ durable = false, password = "", settings = [] } = {}) {
  return new Redis(await free_port(), durable, password, settings);
}

class Redis {
  constructor(port, durable, password, settings) {
    this.port = port;
    this.password = password;
    this.url = password ? `redis://:${password}@127.0.0.1:${port}` : `redis://127.0.0.1:${port}`;
    this.folder = mkdtempSync(join(tmpdir(), "spate-redis-"));
    folders.push(this.folder);
    this.arguments = ["--port", port, "--bind", "127.0.0.1", "--dir", this.folder, "--save", "", "--loglevel", "warning"];
    this.arguments.push("--appendonly", durable ? "yes" : "no", "--appendfsync", "always");
    if (password) this.arguments.push("--requirepass", password);
    this.arguments = [...this.arguments, ...settings].map(String);
  }

  get running() {
    return this.program !== undefined && this.program.ended === undefined;
  }

  async start() {
    assert.ok(!this.running);
    this.program = start("redis-server", this.arguments);
    await until("redis-server to answer", async () => {
      if (!this.running) throw new Error(`redis-server ended: ${this.program.stdout}${this.program.stderr}`);
      return (await this.command("PING").catch(() => undefined)) === "PONG";
    });
  }

  async kill() {
    this.resume();
    await this.program.stop("SIGKILL");
  }

  async stop() {
    this.resume();
    if (this.running) await this.program.stop("SIGTERM");
  }

  pause() {
    process.kill(this.program.pid, "SIGSTOP");
  }

  resume() {
    if (this.running) process.kill(this.program.pid, "SIGCONT");
  }

  /// The answer to one command, on a connection of its own; an error answer throws.
  async command(...words) {
    const socket = net.connect(this.port, "127.0.0.1");
    try {
      await once(socket, "connect");
      const answers = replies(socket);
      const ask = async (asked) => {
        socket.write(encode(asked));
        const { value, done } = await within(`Redis to answer ${asked[0]}`, answers.next());
        if (done) throw new Error("Redis closed the connection");
        if (value instanceof Error) throw value;
        return value;
      };
      if (this.password) await ask(["AUTH", this.password]);
      return await ask(words);
    } finally {
      socket.destroy();
    }
  }

  /// How often each command was run since the last `CONFIG RESETSTAT`: `{publish: 3, xadd: 1}`.
  async calls() {
    const text = await this.command("INFO", "commandstats");
    return Object.fromEntries([...text.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)].map(([, name, n]) => [name, Number(n)]));
  }
}

function encode(words) {
  const parts = words.map((word) => Buffer.from(String(word)));
  return Buffer.concat([
    Buffer.from(`*${parts.length}\r\n`),
    ...parts.flatMap((part) => [Buffer.from(`$${part.length}\r\n`), part, Buffer.from("\r\n")]),
  ]);
}

// The answers that arrive on `socket`, one after the other (RESP2); an error is an Error. Nothing has to be fast.
async function* replies(socket) {
  let bytes = Buffer.alloc(0);
  // The value that begins at `at` and where it ends, or nothing while it is not complete.
  const parse = (at) => {
    const line_end = bytes.indexOf("\r\n", at);
    if (line_end < 0) return undefined;
    const line = bytes.toString("utf8", at + 1, line_end);
    const next = line_end + 2;
    switch (String.fromCharCode(bytes[at])) {
      case "+": return { value: line, next };
      case "-": return { value: new Error(line), next };
      case ":": return { value: Number(line), next };
      case "$": {
        const end = next + Number(line);
        if (end < next) return { value: null, next };
        return bytes.length < end + 2 ? undefined : { value: bytes.toString("utf8", next, end), next: end + 2 };
      }
      case "*": {
        const value = [];
        let position = next;
        for (let left = Number(line); left > 0; --left) {
          const element = parse(position);
          if (!element) return undefined;
          value.push(element.value);
          position = element.next;
        }
        return { value, next: position };
      }
      default: throw new Error(`not an answer of Redis: ${line}`);
    }
  };
  for await (const piece of socket) {
    bytes = Buffer.concat([bytes, piece]);
    for (let found = parse(0); found; found = bytes.length > 0 ? parse(0) : undefined) {
      bytes = bytes.subarray(found.next);
      yield found.value;
    }
  }
}
