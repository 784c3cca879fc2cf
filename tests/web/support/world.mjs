// spate.js in a context of its own, whose fetch, clock and page the test plays itself: every answer arrives in just the
// pieces the test wants, and no test waits for time to pass.
//
//   const world = new World();
//   const source = world.source("/sse/subscribe/alice");
//   await world.request.answer();
//   await world.request.write("data: x\n\n");     // source.heard: ["open", ["message", "x", ""]]
import assert from "node:assert/strict";
import { webcrypto as crypto } from "node:crypto";
import { readFileSync } from "node:fs";
import vm from "node:vm";

const script = new vm.Script(readFileSync(new URL("../../../examples/common/spate.js", import.meta.url), "utf8"));
export const encoder = new TextEncoder();

// Lets everything happen that waits for no clock and no answer.
export const settle = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

export class World {
  /// `more`: what the script finds besides, by name.
  constructor({ without = [], page = false, origin = "http://hub.test", more = {} } = {}) {
    this.requests = [];
    this.timers = new Map();
    this.now = 1_000_000;
    this.frames = [];
    const observers = (this.observers = []);
    const self = {
      AbortController, DOMException, Event, EventTarget, MessageEvent, ReadableStream, Response, TextDecoder,
      TextEncoder, URL, crypto,
      location: { href: origin + "/page", origin },
      Date: { now: () => this.now },
      Math: Object.assign(Object.create(Math), { min: Math.min, max: Math.max, random: () => 0 }),
      fetch: (url, options) => this.fetch_(url, options),
      setTimeout: (call, delay = 0) => this.set_timer_(call, delay),
      clearTimeout: (timer) => this.timers.delete(timer),
      setInterval: (call, delay) => this.set_timer_(call, delay, delay),
      clearInterval: (timer) => this.timers.delete(timer),
      ...more,
    };
    self.MutationObserver = class {
      constructor(call) {
        this.call = call;
      }
      observe() {
        observers.push(this);
      }
    };
    if (page) self.document = this.page_(origin);
    for (const name of without) delete self[name];
    self.self = self;
    this.self = self;
    script.runInContext(vm.createContext(self));
    this.SpateEventSource = self.SpateEventSource;
  }

  /// A source whose events of any kind are noted in `heard`.
  source(url = "/sse/subscribe/alice", options = { transport: "sse" }) {
    const source = new this.SpateEventSource(url, options);
    source.heard = [];
    source.onopen = () => source.heard.push("open");
    source.onerror = (event) => {
      if (event instanceof MessageEvent) return;
      source.heard.push(source.readyState === 2 ? "failed" : "lost");
      source.error = event;
    };
    source.onany = ({ type, data, lastEventId }) => source.heard.push([type, data, lastEventId]);
    return source;
  }

  /// Moves the clock, and fires what is due on the way in its order.
  async pass(milliseconds) {
    const end = this.now + milliseconds;
    for (;;) {
      const due = [...this.timers].filter(([, timer]) => timer.at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
      if (!due) break;
      const [id, timer] = due;
      this.now = timer.at;
      if (timer.every) timer.at += timer.every;
      else this.timers.delete(id);
      timer.call();
      await settle();
    }
    this.now = end;
    await settle();
  }

  /// How long from now the next timer fires.
  get wait() {
    return Math.min(...[...this.timers.values()].map((timer) => timer.at)) - this.now;
  }

  get request() {
    return this.requests.at(-1);
  }

  set_timer_(call, delay, every) {
    const id = {};
    this.timers.set(id, { call, at: this.now + Math.max(delay, 1), every });
    return id;
  }

  fetch_(url, options) {
    const request = { url: String(url), options, query: new URL(url).searchParams, headers: options.headers };
    this.requests.push(request);
    return new Promise((resolve, reject) => {
      options.signal.addEventListener("abort", () => {
        request.aborted = true;
        reject(options.signal.reason);
        if (request.body) request.body.error(options.signal.reason);
      });
      request.refuse = () => {
        reject(new TypeError("fetch failed"));
        return settle();
      };
      request.answer = (status = 200, type = "text/event-stream", text) => {
        const stream = new ReadableStream({ start: (body) => (request.body = body) });
        const answer = new Response([204, 205, 304].includes(status) ? null : stream, { status, headers: { "content-type": type } });
        Object.defineProperty(answer, "url", { value: request.final_url ?? request.url });
        resolve(answer);
        if (text !== undefined) request.write(text).then(() => request.end());
        return settle();
      };
      request.json = (value) => request.answer(200, "application/json", JSON.stringify(value)).then(settle);
      request.write = (bytes) => {
        request.body.enqueue(typeof bytes === "string" ? encoder.encode(bytes) : Uint8Array.from(bytes));
        return settle();
      };
      request.end = () => {
        request.body.close();
        return settle();
      };
      request.cut = () => {
        request.body.error(new TypeError("terminated"));
        return settle();
      };
    });
  }

  // As much of a document as a hidden frame needs.
  page_(origin) {
    const frames = this.frames;
    const page = {
      baseURI: origin + "/page",
      createElement(tag) {
        assert.equal(tag, "iframe");
        return { contentDocument: { URL: "about:blank" }, remove() { frames.splice(frames.indexOf(this), 1); } };
      },
      body: { appendChild: (frame) => frames.push(frame) },
    };
    return page;
  }

  get frame() {
    return this.frames.at(-1);
  }

  /// What the script of `frame` does with an event.
  call(fields, frame = this.frame) {
    this.self[new URL(frame.src).searchParams.get("callback")](fields);
    return settle();
  }

  /// What the browser does when the first of a frame's page is there.
  async arrive() {
    this.frame.contentDocument = { URL: this.frame.src, readyState: "loading" };
    await this.pass(250);
  }
}
