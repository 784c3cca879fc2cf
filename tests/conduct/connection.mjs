// A connection that carries the bytes it is told to, and reads answers as strictly as it can.
import assert from "node:assert/strict";
import net from "node:net";
import { once } from "node:events";
import tls from "node:tls";
import { within } from "../web/support/until.mjs";

export class Connection {
  /// Begins to connect to 127.0.0.1, from `address` if that is given; over TLS where `ca` says whom to trust.
  constructor(port, address, ca) {
    this.received = ""; // not yet taken, a binary string
    this.ended = undefined; // "closed" or "reset"
    this.wake = () => {};
    const to = { port, host: "127.0.0.1", localAddress: address, noDelay: true };
    this.socket = ca ? tls.connect({ ...to, ca, servername: "localhost" }) : net.connect(to);
    this.socket.setEncoding("latin1");
    this.socket.on("data", (bytes) => {
      this.received += bytes;
      this.wake();
    });
    this.socket.on("end", () => this.finish("closed"));
    this.socket.on("error", () => this.finish("reset"));
    this.socket.on("close", () => this.finish("closed"));
  }

  static async open(port, { ca } = {}) {
    const connection = new Connection(port, undefined, ca);
    await within("a connection", once(connection.socket, ca ? "secureConnect" : "connect"));
    return connection;
  }

  finish(how) {
    this.ended ??= how;
    this.wake();
  }

  send(bytes) {
    if (bytes && this.socket.writable) this.socket.write(bytes, "latin1");
  }
  /// Says that nothing more will be sent.
  end() {
    this.socket.end();
  }
  destroy() {
    this.socket.destroy();
  }

  /// Waits for more bytes, or the end; false when there is nothing more to come.
  async more() {
    if (this.ended) return false;
    await within("bytes or an end", new Promise((resolve) => (this.wake = resolve)));
    return true;
  }

  /// Takes all up to `mark`, which is dropped.
  async take_until(mark) {
    for (;;) {
      const at = this.received.indexOf(mark);
      if (at >= 0) return this.take(at + mark.length).slice(0, -mark.length);
      if (!(await this.more())) assert.fail(`${this.ended} after ${JSON.stringify(this.received.slice(0, 200))}`);
    }
  }
  async take_exactly(size) {
    while (this.received.length < size) {
      if (!(await this.more())) assert.fail(`${this.ended}, ${size - this.received.length} bytes are missing`);
    }
    return this.take(size);
  }
  take(size) {
    const taken = this.received.slice(0, size);
    this.received = this.received.slice(size);
    return taken;
  }

  /// {status, fields}; the names of fields are in lower case.
  async take_head() {
    const [status_line, ...lines] = (await this.take_until("\r\n\r\n")).split("\r\n");
    const status = /^HTTP\/1\.1 ([1-5]\d\d) [ -~]*$/.exec(status_line)?.[1];
    assert.ok(status, `no status line: ${JSON.stringify(status_line)}`);
    const fields = new Map();
    for (const line of lines) {
      const [, name, value] = /^([\w-]+): ([^\0\r\n]*)$/.exec(line) ?? assert.fail(`no field: ${JSON.stringify(line)}`);
      assert.ok(!fields.has(name.toLowerCase()), `${name} is repeated`);
      fields.set(name.toLowerCase(), value);
    }
    return { status: Number(status), fields };
  }

  /// A whole answer to a request with `method`.
  async take_answer(method) {
    const answer = await this.take_head();
    const { status, fields } = answer;
    answer.body = "";
    if (method === "HEAD" || status < 200 || status === 204 || status === 304) return answer;
    if (fields.has("content-length")) {
      answer.body = await this.take_exactly(Number(fields.get("content-length")));
    } else if (fields.get("transfer-encoding") === "chunked") {
      for (let size; size !== 0; ) {
        size = parseInt(await this.take_until("\r\n"), 16);
        answer.body += await this.take_exactly(size);
        assert.equal(await this.take_exactly(2), "\r\n");
      }
    } else {
      while (await this.more()) continue;
      answer.body = this.take(this.received.length);
    }
    return answer;
  }
}

/// Tells when a server that has one thread has dealt with everything sent before.
export class Barrier {
  constructor(connection) {
    this.connection = connection;
    this.last = Promise.resolve();
  }
  static async open(port) {
    return new Barrier(await Connection.open(port));
  }
  /// A loop takes what is ready in the order in which it became so: this answer comes behind all that were due before.
  pass() {
    this.connection.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    return (this.last = this.last.then(() => this.connection.take_answer("GET")));
  }
  close() {
    this.connection.destroy();
  }
}
