// HTTP/2 by hand: a connection that sends the frames it is told to, whatever they are, and keeps what comes.
//
//   const connection = await Http2Connection.open("http://127.0.0.1:8080");
//   const stream = connection.request("GET", "/healthz");
//   assert.equal(await connection.status(stream), 200);
//
// It answers nothing by itself: SETTINGS are acknowledged when `greet` or the test does so, windows are given by the
// test. https is spoken with ALPN h2, and any certificate is taken.
import assert from "node:assert/strict";
import net from "node:net";
import { once } from "node:events";
import tls from "node:tls";
import { within } from "../web/support/until.mjs";
import { Decoder, header_block } from "./http2_hpack.mjs";

export const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"; // RFC 9113 3.4

const numbered = (text, first = 0) => Object.fromEntries(text.split(" ").map((name, index) => [name, first + index]));
const turned = (table) => Object.fromEntries(Object.entries(table).map(([name, number]) => [number, name]));
// RFC 9113 6, 6.5.2, 7; RFC 9218 7.1.
export const TYPES = {
  ...numbered("DATA HEADERS PRIORITY RST_STREAM SETTINGS PUSH_PROMISE PING GOAWAY WINDOW_UPDATE CONTINUATION"),
  PRIORITY_UPDATE: 0x10,
};
export const FLAGS = { END_STREAM: 0x1, ACK: 0x1, END_HEADERS: 0x4, PADDED: 0x8, PRIORITY: 0x20 };
export const SETTINGS = numbered(
  "HEADER_TABLE_SIZE ENABLE_PUSH MAX_CONCURRENT_STREAMS INITIAL_WINDOW_SIZE MAX_FRAME_SIZE MAX_HEADER_LIST_SIZE",
  1,
);
export const CODES = numbered(
  "NO_ERROR PROTOCOL_ERROR INTERNAL_ERROR FLOW_CONTROL_ERROR SETTINGS_TIMEOUT STREAM_CLOSED FRAME_SIZE_ERROR " +
    "REFUSED_STREAM CANCEL COMPRESSION_ERROR CONNECT_ERROR ENHANCE_YOUR_CALM INADEQUATE_SECURITY HTTP_1_1_REQUIRED",
);
const type_names = turned(TYPES);
const setting_names = turned(SETTINGS);
const code_names = turned(CODES);
const code_name = (code) => code_names[code] ?? `code ${code}`;

export function u32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/// A frame as bytes. `length` is what its head says; the reserved bit is that of `stream`.
export function frame(type, flags, stream, payload = Buffer.alloc(0), length = payload.length) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(length, 0, 3);
  head[3] = typeof type === "string" ? TYPES[type] : type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}
/// The payload of SETTINGS, of {name or number: value}.
export const settings_payload = (settings) =>
  Buffer.concat(
    Object.entries(settings).map(([name, value]) => {
      const bytes = Buffer.alloc(6);
      bytes.writeUInt16BE(SETTINGS[name] ?? Number(name));
      bytes.writeUInt32BE(value, 2);
      return bytes;
    }),
  );

/// The fields of an ordinary request; those of `more` stand behind them.
export const request_fields = (method, path, more = [], scheme = "http") => [
  [":method", method],
  [":scheme", scheme],
  [":authority", "localhost"],
  [":path", path],
  ...more,
];

export class Http2Connection {
  /// Connects; not a byte is sent.
  static async connect(url, deadline_ms) {
    const { hostname, port, protocol } = new URL(url);
    const connection = new Http2Connection();
    connection.deadline_ms = deadline_ms;
    connection.scheme = protocol.slice(0, -1);
    const secure = protocol === "https:";
    const to = { host: hostname, port: Number(port), noDelay: true };
    connection.socket = secure
      ? tls.connect({ ...to, ALPNProtocols: ["h2"], rejectUnauthorized: false, servername: "localhost" })
      : net.connect(to);
    connection.listen();
    await within("a connection", once(connection.socket, secure ? "secureConnect" : "connect"), deadline_ms);
    return connection;
  }
  /// Connects, sends the preface with `settings`, and waits until both sides have acknowledged the other's.
  static async open(url, { settings = {}, deadline_ms } = {}) {
    const connection = await Http2Connection.connect(url, deadline_ms);
    await connection.greet(settings);
    return connection;
  }

  constructor() {
    this.bytes = Buffer.alloc(0); // received, not yet a whole frame
    this.frames = []; // received, not yet taken
    this.streams = new Map(); // {status, fields, trailers, data, frames, ended, reset} of each stream
    this.settings = {}; // the other side's
    this.goaway = undefined; // {code, last, debug}
    this.doomed = false; // GOAWAY with an error was received
    this.ended = undefined; // "closed" or "reset"
    this.next_stream = 1;
    this.decoder = new Decoder();
    this.wake = () => {};
  }
  listen() {
    this.socket.on("data", (bytes) => {
      this.bytes = this.bytes.length > 0 ? Buffer.concat([this.bytes, bytes]) : bytes;
      this.cut();
      this.wake();
    });
    this.socket.on("end", () => this.finish("closed"));
    this.socket.on("error", () => this.finish("reset"));
    this.socket.on("close", () => this.finish("closed"));
  }
  finish(how) {
    this.ended ??= how;
    this.wake();
  }
  destroy() {
    this.socket.destroy();
  }

  /// Sends `bytes`. With a `turn` set it is called for each of them, and the byte goes out when what it returns is done;
  /// none goes out after the other side has said that it ends the connection, which could be lost.
  send(bytes) {
    const buffer = typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes;
    if (this.turn) this.sent = (this.sent ?? Promise.resolve()).then(() => this.send_in_turns(buffer));
    else if (this.socket.writable) this.socket.write(buffer);
  }
  async send_in_turns(bytes) {
    const size = bytes.length > 1_000 ? 999 : 1;
    for (let at = 0; at < bytes.length; at += size) {
      await this.turn();
      if (this.ended || this.doomed) return;
      this.socket.write(bytes.subarray(at, at + size));
    }
  }
  /// The same, and waits until the kernel has taken it, or the connection has ended.
  async send_all(bytes) {
    if (!this.socket.writable || this.socket.write(bytes)) return;
    const taken = new Promise((resolve) => {
      this.socket.once("drain", resolve);
      this.socket.once("close", resolve);
    });
    await within("the other side to read", taken, this.deadline_ms);
  }
  frame(...parts) {
    this.send(frame(...parts));
  }

  async greet(settings = {}) {
    this.send(PREFACE);
    this.frame("SETTINGS", 0, 0, settings_payload(settings));
    const first = await this.take();
    assert.equal(`${first.name} ${first.flags & FLAGS.ACK}`, "SETTINGS 0", "the preface of a server is SETTINGS (RFC 9113 3.4)");
    this.frame("SETTINGS", FLAGS.ACK, 0);
    while (!this.acknowledged) await this.take();
  }
  /// Sends a request; it is whole, or `open` and its body is to come. Returns its stream.
  request(method, path, { fields = [], open = false } = {}) {
    const stream = this.next_stream;
    this.next_stream += 2;
    const flags = FLAGS.END_HEADERS | (open ? 0 : FLAGS.END_STREAM);
    this.frame("HEADERS", flags, stream, header_block(request_fields(method, path, fields, this.scheme)));
    return stream;
  }
  ping(text) {
    this.frame("PING", 0, 0, Buffer.from(text.padEnd(8).slice(0, 8), "latin1"));
  }

  stream(id) {
    if (!this.streams.has(id)) {
      this.streams.set(id, { status: undefined, fields: [], trailers: [], data: "", frames: [], ended: false, reset: undefined });
    }
    return this.streams.get(id);
  }

  /// Waits until `condition()` holds; throws when the connection ends before, or nothing comes in time.
  async until(what, condition) {
    while (!condition()) await this.take(what);
  }
  /// The next frame; undefined when the connection has ended.
  async next(what = "a frame") {
    while (this.frames.length === 0) {
      if (this.ended) return undefined;
      await within(what, new Promise((resolve) => (this.wake = resolve)), this.deadline_ms);
    }
    const taken = this.frames.shift();
    this.note(taken);
    return taken;
  }
  /// The same; throws at the end.
  async take(what) {
    return (await this.next(what)) ?? assert.fail(`${this.ended} instead of ${what}${this.goaway ? `, after GOAWAY ${this.goaway.code}` : ""}`);
  }
  async status(stream) {
    await this.until(`an answer on stream ${stream}`, () => this.stream(stream).status || this.stream(stream).reset);
    return this.stream(stream).status;
  }
  /// The whole answer on `stream`: {status, fields, data, …}.
  async answer(stream) {
    await this.until(`the end of stream ${stream}`, () => this.stream(stream).ended || this.stream(stream).reset);
    return this.stream(stream);
  }
  /// Waits until the connection has ended, and returns the code of the last GOAWAY, if there was one.
  async end() {
    while (await this.next("the end of the connection")) continue;
    return this.goaway?.code;
  }

  // Cuts what has come into frames.
  cut() {
    let at = 0;
    while (this.bytes.length - at >= 9) {
      const length = this.bytes.readUIntBE(at, 3);
      if (this.bytes.length - at < 9 + length) break;
      const type = this.bytes[at + 3];
      this.doomed ||= type === TYPES.GOAWAY && this.bytes.readUInt32BE(at + 13) !== CODES.NO_ERROR;
      this.frames.push({
        name: type_names[type] ?? `type ${type}`,
        flags: this.bytes[at + 4],
        stream: this.bytes.readUInt32BE(at + 5),
        payload: this.bytes.subarray(at + 9, at + 9 + length),
      });
      at += 9 + length;
    }
    this.bytes = this.bytes.subarray(at);
  }

  // What a frame means for its stream and for the connection. What a server must not send is an error.
  note({ name, flags, stream, payload }) {
    if (this.block) {
      assert.equal(`${name} ${stream}`, `CONTINUATION ${this.block.stream}`, "a header block is not interrupted (RFC 9113 6.10)");
    }
    if (name === "HEADERS" || name === "CONTINUATION") {
      this.block ??= { stream, flags, parts: [] };
      if (name === "HEADERS" && flags & (FLAGS.PADDED | FLAGS.PRIORITY)) {
        const padding = flags & FLAGS.PADDED ? payload[0] : 0;
        const begin = (flags & FLAGS.PADDED ? 1 : 0) + (flags & FLAGS.PRIORITY ? 5 : 0);
        payload = payload.subarray(begin, payload.length - padding);
      }
      this.block.parts.push(payload);
      if (flags & FLAGS.END_HEADERS) this.note_fields();
    } else if (name === "DATA") {
      const of = this.stream(stream);
      assert.ok(of.status >= 200 && !of.ended, `DATA on stream ${stream} at the wrong time (RFC 9113 8.1)`);
      const padding = flags & FLAGS.PADDED ? payload[0] : 0;
      const begin = flags & FLAGS.PADDED ? 1 : 0;
      of.frames.push(payload.length);
      of.data += payload.toString("latin1", begin, payload.length - padding);
      of.ended = Boolean(flags & FLAGS.END_STREAM);
    } else if (name === "RST_STREAM") {
      this.stream(stream).reset = code_name(payload.readUInt32BE());
    } else if (name === "GOAWAY") {
      this.goaway = { last: payload.readUInt32BE(), code: code_name(payload.readUInt32BE(4)), debug: payload.toString("latin1", 8) };
    } else if (name === "SETTINGS" && flags & FLAGS.ACK) {
      this.acknowledged = (this.acknowledged ?? 0) + 1;
    } else if (name === "SETTINGS") {
      for (let at = 0; at < payload.length; at += 6) {
        this.settings[setting_names[payload.readUInt16BE(at)] ?? payload.readUInt16BE(at)] = payload.readUInt32BE(at + 2);
      }
    } else if (name === "PING" && flags & FLAGS.ACK) {
      (this.pongs ??= []).push(payload.toString("latin1"));
    }
  }
  note_fields() {
    const { stream, flags, parts } = this.block;
    this.block = undefined;
    const fields = this.decoder.decode(Buffer.concat(parts));
    const of = this.stream(stream);
    assert.ok(!of.ended, `HEADERS on stream ${stream}, which has ended`);
    for (const [name, value] of fields) {
      assert.match(name, /^:?[!#$%&'*+.^_`|~0-9a-z-]+$/, "a field's name (RFC 9113 8.2.1)");
      assert.doesNotMatch(value, /[\0\r\n]|^[ \t]|[ \t]$/, `the value of ${name} (RFC 9113 8.2.1)`);
      assert.ok(!/^(connection|keep-alive|proxy-connection|transfer-encoding|upgrade)$/.test(name), `${name} (RFC 9113 8.2.2)`);
    }
    const pseudo = fields.filter(([name]) => name.startsWith(":"));
    if (of.status >= 200) {
      assert.ok(pseudo.length === 0 && flags & FLAGS.END_STREAM, "trailers (RFC 9113 8.1)");
      of.trailers = fields;
    } else {
      assert.equal(fields[0]?.[0], ":status", "the status comes first (RFC 9113 8.3)");
      assert.equal(pseudo.length, 1, "a response has one pseudo-field (RFC 9113 8.3.2)");
      of.status = Number(fields[0][1]);
      of.fields = fields.slice(1);
    }
    of.ended = Boolean(flags & FLAGS.END_STREAM);
  }
}
