// TLS by hand: records that a client of TLS would not send, before its hands are shaken and after.
//
//   const connection = await RecordConnection.open(hub.port);
//   connection.send(HANDSHAKE, connection.hello); // encrypted
//   await connection.until("an alert", () => connection.alerts.length > 0);
import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";
import { once } from "node:events";
import net from "node:net";
import { Duplex } from "node:stream";
import tls from "node:tls";
import { within } from "./until.mjs";

// Types of records, RFC 8446 5.1.
export const ALERT = 21;
export const HANDSHAKE = 22;
export const DATA = 23;
const HEAD_SIZE = 5;
// RFC 8446 6.
const descriptions = {
  0: "close_notify",
  10: "unexpected_message",
  20: "bad_record_mac",
  22: "record_overflow",
  47: "illegal_parameter",
  50: "decode_error",
  80: "internal_error",
  100: "no_renegotiation",
};
/// What an alert says, without its level.
export const alert_name = (alert) => descriptions[alert[1]] ?? `alert ${alert[1]}`;

export function record(type, payload, length = payload.length) {
  const head = Buffer.from([type, 3, 3, 0, 0]);
  head.writeUInt16BE(length, 3);
  return Buffer.concat([head, payload]);
}
/// `message` in records of at most `size` bytes.
export function records(type, message, size = 16_384) {
  const parts = [];
  for (let at = 0; at < message.length; at += size) parts.push(record(type, message.subarray(at, at + size)));
  return parts;
}
/// A message of the handshake, which may say that it is longer than it is.
export function message(type, body, length = body.length) {
  const head = Buffer.from([type, 0, 0, 0]);
  head.writeUIntBE(length, 1, 3);
  return Buffer.concat([head, body]);
}

/// The first message of a client of TLS, without the record that it comes in.
export async function client_hello(options = {}) {
  const server = net.createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = tls.connect({ port: server.address().port, host: "127.0.0.1", servername: "localhost", ...options });
  client.on("error", () => {});
  const [socket] = await once(server, "connection");
  const [bytes] = await once(socket, "data");
  socket.destroy();
  server.close();
  return bytes.subarray(HEAD_SIZE);
}
/// The same, padded to `size` bytes (RFC 7685).
export async function padded_hello(size) {
  const hello = await client_hello();
  const padding = Buffer.alloc(size - hello.length);
  padding.writeUInt16BE(21);
  padding.writeUInt16BE(padding.length - 4, 2);
  const padded = Buffer.concat([hello, padding]);
  padded.writeUIntBE(size - 4, 1, 3);
  let at = 4 + 2 + 32; // version, random; RFC 8446 4.1.2
  at += 1 + padded[at]; // session
  at += 2 + padded.readUInt16BE(at); // ciphers
  at += 1 + padded[at]; // compression
  padded.writeUInt16BE(size - at - 2, at); // extensions
  return padded;
}

/// A connection on which records are sent as they are, and taken apart as they come.
export class RecordConnection {
  static async connect(port) {
    const connection = new RecordConnection();
    connection.socket = net.connect({ port, host: "127.0.0.1", noDelay: true });
    connection.listen();
    await within("a connection", once(connection.socket, "connect"));
    return connection;
  }
  /// One whose hands are shaken, with TLS 1.2; what it sends and gets from then on is encrypted.
  static async open(port) {
    const connection = await RecordConnection.connect(port);
    await connection.shake_hands();
    return connection;
  }

  constructor() {
    this.bytes = Buffer.alloc(0); // received, not yet a whole record
    this.taken = new Map(); // records that came, by their type
    this.alerts = []; // in words
    this.data = ""; // decrypted
    this.ended = undefined; // "closed" or "reset"
    this.wake = () => {};
  }
  listen() {
    this.socket.on("data", (bytes) => {
      this.bytes = Buffer.concat([this.bytes, bytes]);
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
  count(type) {
    return this.taken.get(type) ?? 0;
  }

  cut() {
    while (this.bytes.length >= HEAD_SIZE) {
      const size = HEAD_SIZE + this.bytes.readUInt16BE(3);
      if (this.bytes.length < size) break;
      const whole = this.bytes.subarray(0, size);
      this.bytes = this.bytes.subarray(size);
      this.taken.set(whole[0], this.count(whole[0]) + 1);
      this.passed?.(whole);
      const plain = this.keys ? this.unsealed(whole) : whole.subarray(HEAD_SIZE);
      if (whole[0] === ALERT && plain.length === 2) this.alerts.push(alert_name(plain));
      if (whole[0] === DATA && this.keys) this.data += plain.toString("latin1");
    }
  }

  // OpenSSL shakes hands, and what goes by tells the keys (RFC 5246 6.3).
  async shake_hands() {
    const CLIENT_RANDOM = [HEAD_SIZE + 4 + 2, HEAD_SIZE + 4 + 2 + 32]; // the server's is at the same place of its hello
    let client_random, server_random, master;
    const through = new Duplex({
      read() {},
      write: (bytes, _, done) => {
        client_random ??= bytes.subarray(...CLIENT_RANDOM);
        this.hello ??= Buffer.from(bytes.subarray(HEAD_SIZE));
        this.socket.write(bytes, done);
      },
    });
    this.passed = (whole) => {
      if (whole[0] === HANDSHAKE) server_random ??= Buffer.from(whole.subarray(...CLIENT_RANDOM));
      through.push(whole);
    };
    const version = { minVersion: "TLSv1.2", maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256" };
    const client = tls.connect({ socket: through, rejectUnauthorized: false, servername: "localhost", ...version });
    client.on("keylog", (line) => (master ??= Buffer.from(line.toString("latin1").trim().split(" ")[2], "hex")));
    let shaken = false;
    client.once("secureConnect", () => {
      shaken = true;
      this.wake();
    });
    client.on("error", () => {});
    await this.until("a handshake", () => shaken);
    this.passed = undefined;
    const block = expanded(master, Buffer.concat([Buffer.from("key expansion"), server_random, client_random]), 40);
    const side = (number) => ({
      key: block.subarray(16 * number, 16 * number + 16),
      salt: block.subarray(32 + 4 * number, 36 + 4 * number),
      sequence: 1n, // the last message of the handshake was the first
    });
    this.keys = { client: side(0), server: side(1) };
    this.taken.clear();
  }

  // RFC 5288 3, RFC 5246 6.2.3.3.
  parameters(side, type, size) {
    const sequence = Buffer.alloc(8);
    sequence.writeBigUInt64BE(side.sequence++);
    return { sequence, additional: Buffer.concat([sequence, Buffer.from([type, 3, 3, size >> 8, size & 255])]) };
  }
  sealed(type, payload) {
    const { client } = this.keys;
    const { sequence, additional } = this.parameters(client, type, payload.length);
    const cipher = createCipheriv("aes-128-gcm", client.key, Buffer.concat([client.salt, sequence])).setAAD(additional);
    const parts = [sequence, cipher.update(payload), cipher.final()];
    return record(type, Buffer.concat([...parts, cipher.getAuthTag()]));
  }
  unsealed(whole) {
    const { server } = this.keys;
    const [nonce, body, tag] = [whole.subarray(5, 13), whole.subarray(13, -16), whole.subarray(-16)];
    const { additional } = this.parameters(server, whole[0], body.length);
    const cipher = createDecipheriv("aes-128-gcm", server.key, Buffer.concat([server.salt, nonce])).setAAD(additional);
    return Buffer.concat([cipher.setAuthTag(tag).update(body), cipher.final()]);
  }

  /// Sends bytes as they are, and waits until the kernel has taken them, or the connection has ended.
  async write(bytes) {
    if (this.ended || !this.socket.writable || this.socket.write(bytes)) return;
    const taken = new Promise((resolve) => this.socket.once("drain", resolve).once("close", resolve));
    await within("the other side to read", taken);
  }
  /// Waits for more, or the end.
  async more(what = "more") {
    if (!this.ended) await within(what, new Promise((resolve) => (this.wake = resolve)));
  }
  async until(what, condition) {
    while (!condition()) {
      if (this.ended) throw new Error(`${this.ended} instead of ${what}`);
      await this.more(what);
    }
  }
  /// Waits until the connection has ended.
  async end() {
    while (!this.ended) await this.more("the end");
  }
}

// P_SHA256, RFC 5246 5.
function expanded(secret, seed, size) {
  const hmac = (bytes) => createHmac("sha256", secret).update(bytes).digest();
  const parts = [];
  for (let a = hmac(seed); parts.length * 32 < size; a = hmac(a)) parts.push(hmac(Buffer.concat([a, seed])));
  return Buffer.concat(parts).subarray(0, size);
}
