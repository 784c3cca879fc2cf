// One of the examples under test, on a free port of its own. The environment variable EXAMPLES names their folder.
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { join } from "node:path";
import { after } from "node:test";
import { createParser } from "eventsource-parser";
import { start } from "./program.mjs";
import { until, within } from "./until.mjs";

// What a test that failed has left open would keep the process from ending.
const open_listeners = new Set();
after(() => open_listeners.forEach((listener) => listener.close()));

/// Starts example `name` and waits until it listens. `options` are its command line.
export async function start_example(name, ...options) {
  assert.ok(process.env.EXAMPLES, "set EXAMPLES to the folder of the examples' executables");
  const program = start(join(process.env.EXAMPLES, name), ["--port", "0", ...options]);
  const [, url] = await program.printed(/^listening on (http:\S+)\n/);
  return new Example(program, url);
}

class Example {
  constructor(program, url) {
    this.program = program;
    this.url = url;
    this.port = Number(new URL(url).port);
  }

  /// Ends the example in peace; throws when it does not exit with 0.
  async stop() {
    assert.equal(await this.program.stop("SIGTERM"), 0, this.program.stderr);
  }

  fetch(path, options) {
    return fetch(this.url + path, options);
  }

  /// The JSON of an answer with status `status`.
  async json(status, path, options) {
    const response = await this.fetch(path, options);
    const text = await response.text();
    assert.equal(response.status, status, text);
    assert.equal(response.headers.get("content-type"), "application/json");
    return JSON.parse(text);
  }

  post(status, path, body) {
    return this.json(status, path, { method: "POST", body });
  }

  listen(path, options) {
    return Listener.open(this.url + path, options);
  }

  /// Polls until `enough(events)`, each time from where the last answer ended; returns the events and the number of
  /// answers.
  async poll(path, enough, fields = {}) {
    const events = [];
    let last_event_id = "";
    for (let answers = 1; ; ++answers) {
      assert.ok(answers < 1000, "too many polls");
      const query = new URLSearchParams({ transport: "poll", ...fields, last_event_id });
      const answer = await this.json(200, path + "?" + query);
      events.push(...answer.events);
      last_event_id = answer.last_event_id;
      if (enough(events)) return { events, answers };
    }
  }
}

/// The exit status of a program that ends by itself.
export const end_of = (program) => within("the end of a program", program.exit);

/// A client that reads an event stream: `events` grows as they arrive. Each has a connection of its own, where fetch()
/// would send the next request on one that the server is just closing.
class Listener {
  static async open(url, { method = "GET", headers = {}, body } = {}) {
    const listener = new Listener();
    listener.events = [];
    listener.retries = [];
    /// Whether the server has ended the stream, and properly.
    listener.ended = false;
    const parser = createParser({
      onEvent: ({ id, event, data }) => listener.events.push({ id, event: event ?? "message", data, at: Date.now() }),
      onRetry: (retry) => listener.retries.push(retry),
    });
    listener.request_ = http.request(url, { method, headers, agent: false });
    open_listeners.add(listener);
    listener.request_.end(body);
    [listener.response] = await within("an answer", once(listener.request_, "response"));
    listener.request_.on("error", () => {});
    assert.equal(listener.response.statusCode, 200);
    assert.equal(listener.response.headers["content-type"], "text/event-stream");
    listener.response.setEncoding("utf8").on("data", (text) => parser.feed(text));
    listener.response.on("end", () => (listener.ended = listener.response.complete)).on("error", () => {});
    return listener;
  }

  /// The first `count` events, when they are there.
  async first(count) {
    await until(`${count} events`, () => this.events.length >= count);
    return this.events.slice(0, count);
  }

  /// The first event named `name`, with its JSON as `json`.
  async named(name) {
    const event = await until(`an event ${name}`, () => this.events.find(({ event }) => event === name));
    return { ...event, json: JSON.parse(event.data) };
  }

  async end() {
    await until("the end of the stream", () => this.ended);
    return this.events;
  }

  async close() {
    open_listeners.delete(this);
    if (this.request_.closed) return;
    const closed = new Promise((resolve) => this.request_.once("close", resolve));
    this.request_.destroy();
    await closed;
  }
}

export const data_of = (events) => events.map(({ data }) => data);
