// Clients that read event streams, over HTTP/1.1 with a connection for each and over HTTP/2 with one for all, in the
// clear or over TLS, compressed or not. Both have the same interface:
//
//   const client = await Http2Client.open(hub.url, { ca: authority.pem });
//   const alice = await client.listen("/sse/subscribe/alice");
//   await alice.has("hello");                     // an event with these data
//   await client.ask("/sse/send/alice", { method: "POST", body: "hello" });
//   client.close();
import assert from "node:assert/strict";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import { once } from "node:events";
import { createGunzip } from "node:zlib";
import { createParser } from "eventsource-parser";
import { ask } from "./ask.mjs";
import { until, within } from "./until.mjs";

const own_names = ["connected", "gap", "closing"];

/// What `emitter` says with `event`; an error, if it is closed before.
function unless_closed(emitter, event) {
  const closed = once(emitter, "close").then(() => Promise.reject(new Error(`closed, and no ${event}`)));
  return Promise.race([once(emitter, event), closed]);
}

class Listener {
  constructor(status, headers, response) {
    this.status = status;
    this.headers = headers;
    /// All that has come, also as text.
    this.events = [];
    this.text = "";
    /// Whether the server has ended the answer, and properly.
    this.ended = false;
    const parser = createParser({
      onEvent: ({ id, event, data }) => this.events.push({ id, name: event ?? "message", data }),
      onRetry: (retry) => (this.retry = retry),
    });
    const compressed = headers["content-encoding"] === "gzip";
    const body = compressed ? this.inflated_(response) : response;
    body.setEncoding("utf8").on("data", (text) => {
      this.text += text;
      parser.feed(text);
    });
    response.on("error", () => {});
    const closed = new Promise((resolve) => response.once("close", resolve));
    this.over = compressed ? Promise.all([closed, this.inflated]) : closed;
  }

  // The text of a compressed body, as much of it as has come.
  inflated_(response) {
    /// The pieces of the body as they came.
    this.pieces = [];
    response.on("data", (piece) => this.pieces.push(piece));
    const gunzip = response.pipe(createGunzip());
    this.inflated = new Promise((resolve) => gunzip.once("end", resolve).once("close", resolve));
    gunzip.on("error", (error) => (this.broken = error));
    // Whoever was cut, or has left, hears no more.
    response.once("close", () => response.readableEnded || gunzip.destroy());
    return gunzip;
  }

  /// The events that somebody has sent.
  get sent() {
    return this.events.filter(({ name }) => !own_names.includes(name));
  }

  get data() {
    return this.sent.map(({ data }) => data);
  }

  /// The event named `name`, when it is there.
  named(name) {
    return until(`an event ${name}`, () => this.events.find((event) => event.name === name));
  }

  has(data) {
    return until(`${data.slice(0, 80)}`, () => this.sent.some((event) => event.data === data));
  }

  /// Waits until it is over, however.
  async end() {
    await within("the end of a stream", this.over);
    return this;
  }
}

export class Http1Client {
  static async open(url, options = {}) {
    const client = new Http1Client();
    client.url = url;
    client.options = options;
    client.requests = new Set();
    return client;
  }

  async listen(path, headers = {}) {
    const module = this.url.startsWith("https:") ? https : http;
    const request = module.request(this.url + path, { ...this.options, headers, agent: false });
    this.requests.add(request);
    request.end();
    const [response] = await within("an answer", once(request, "response"));
    request.on("error", () => {});
    const listener = new Listener(response.statusCode, response.headers, response);
    response.on("end", () => (listener.ended = response.complete));
    listener.response = response;
    listener.cancel = () => request.destroy();
    return listener;
  }

  ask(path, options) {
    return ask(this.url + path, { ...this.options, ...options });
  }

  close() {
    for (const request of this.requests) request.destroy();
  }
}

export class Http2Client {
  /// One session; `options` are more of `http2.connect`.
  static async open(url, options = {}) {
    const client = new Http2Client();
    client.session = http2.connect(url, options);
    client.goaway = [];
    /// Whether the connection has ended, and for which error.
    client.ended = false;
    client.session.on("goaway", (code, last) => client.goaway.push({ code, last }));
    client.session.on("error", (error) => (client.error = error));
    client.session.on("close", () => (client.ended = true));
    await within("a session", unless_closed(client.session, "remoteSettings"));
    return client;
  }

  /// A request of which the answer has begun: `{stream, headers}`.
  async request(path, { method = "GET", headers = {}, body } = {}) {
    const fields = { ":method": method, ":path": path, ...headers };
    const stream = this.session.request(fields, { endStream: body === undefined });
    if (body !== undefined) stream.end(body);
    const [answer] = await within("an answer", unless_closed(stream, "response"));
    return { stream, headers: answer };
  }

  async listen(path, headers = {}) {
    const { stream, headers: fields } = await this.request(path, { headers });
    const listener = new Listener(fields[":status"], fields, stream);
    stream.on("end", () => (listener.ended = !stream.aborted && stream.rstCode === http2.constants.NGHTTP2_NO_ERROR));
    stream.on("close", () => (listener.code = stream.rstCode));
    listener.response = stream;
    listener.cancel = () => stream.close(http2.constants.NGHTTP2_CANCEL);
    return listener;
  }

  async ask(path, options) {
    const { stream, headers } = await this.request(path, options);
    let text = "";
    for await (const piece of stream.setEncoding("utf8")) text += piece;
    return { status: headers[":status"], headers, text, json: () => JSON.parse(text) };
  }

  /// Sends an event and expects it to be taken; returns `{id, streams}`.
  async send(path, body) {
    const { status, text } = await this.ask(path, { method: "POST", body });
    assert.equal(status, 202, text);
    return JSON.parse(text);
  }

  close() {
    this.session.destroy();
  }
}
