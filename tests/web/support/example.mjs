// One of the examples under test, on a free port of its own. The environment variable EXAMPLES names their folder.
import assert from "node:assert/strict";
import { join } from "node:path";
import { createParser } from "eventsource-parser";
import { start } from "./program.mjs";
import { until, within } from "./until.mjs";

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

/// A client that reads an event stream: `events` grows as they arrive.
class Listener {
  static async open(url, options = {}) {
    const listener = new Listener();
    listener.controller_ = new AbortController();
    listener.response = await fetch(url, { ...options, signal: listener.controller_.signal });
    assert.equal(listener.response.status, 200);
    assert.equal(listener.response.headers.get("content-type"), "text/event-stream");
    listener.events = [];
    listener.retries = [];
    /// Whether the server has ended the stream, and properly.
    listener.ended = false;
    const parser = createParser({
      onEvent: ({ id, event, data }) => listener.events.push({ id, event: event ?? "message", data, at: Date.now() }),
      onRetry: (retry) => listener.retries.push(retry),
    });
    listener.done_ = (async () => {
      for await (const text of listener.response.body.pipeThrough(new TextDecoderStream())) parser.feed(text);
      listener.ended = true;
    })().catch(() => {});
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
    this.controller_.abort();
    await this.done_;
  }
}

export const data_of = (events) => events.map(({ data }) => data);
