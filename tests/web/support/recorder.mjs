// A client that writes down what it hears: one stream of one user, over as many connections as it takes.
//
//   const alice = new Recorder("alice");  // or with more of the query: new Recorder("alice", "topic=a&topic=b")
//   await alice.connect(node.url);        // later ones present where the last one ended
//   alice.drop();
//   alice.heard;                          // [{ id, data }] over all connections
import assert from "node:assert/strict";
import http from "node:http";
import { createParser } from "eventsource-parser";
import { until } from "./until.mjs";

const own_names = ["connected", "gap", "closing", "presence"];

export class Recorder {
  constructor(user, query = "") {
    this.user = user;
    this.query = query;
    this.heard = [];
    /// The data of `presence` events: who came and went.
    this.presence = [];
    /// The data of `gap` and of `closing` events.
    this.gaps = [];
    this.closings = [];
    /// The newest id: what the next connection presents.
    this.cursor = undefined;
    /// When the client was connected: pairs of milliseconds as `performance.now()` tells them; the last may be open.
    this.stays = [];
  }

  get connected() {
    return this.response_ !== undefined;
  }

  /// Resolves when the stream has said `connected`, to its data; rejects when that does not come.
  async connect(url) {
    assert.ok(!this.request_, "one connection at a time");
    const path = `${url}/sse/subscribe/${encodeURIComponent(this.user)}${this.query && "?" + this.query}`;
    const headers = this.cursor === undefined ? {} : { "Last-Event-ID": this.cursor };
    // On a connection of its own: one that is kept may be closing already.
    const request = (this.request_ = http.request(path, { headers, agent: false, timeout: 10_000 }));
    let stay;
    const ended = new Promise((resolve) => {
      const end = () => {
        if (this.request_ === request) this.request_ = this.response_ = undefined;
        if (stay && stay.length === 1) stay.push(performance.now());
        resolve();
      };
      request.on("error", end).on("close", end);
    });
    const greeted = new Promise((resolve, reject) => {
      ended.then(() => reject(new Error(`${this.user}: the stream ended before it said connected`)));
      const parser = createParser({
        onEvent: (event) => {
          if (this.request_ !== request) return; // dropped: what was under way is no longer heard
          if (event.id !== undefined) this.cursor = event.id;
          if (event.event === "connected") {
            this.stays.push((stay = [performance.now()]));
            resolve(JSON.parse(event.data));
          }
          if (event.event === "gap") this.gaps.push(JSON.parse(event.data));
          if (event.event === "closing") this.closings.push(JSON.parse(event.data));
          if (event.event === "presence") this.presence.push(JSON.parse(event.data));
          if (!own_names.includes(event.event)) this.heard.push({ id: event.id, data: event.data });
        },
      });
      request.on("response", (response) => {
        if (response.statusCode !== 200) {
          reject(new Error(`${this.user}: ${response.statusCode}`));
          return request.destroy();
        }
        this.response_ = response;
        request.setTimeout(0);
        response.setEncoding("utf8").on("data", (text) => parser.feed(text)).on("error", () => {});
      });
      request.on("timeout", () => request.destroy());
    });
    /// Resolves when this connection is over, for whatever reason.
    this.over = ended;
    request.end();
    return greeted;
  }

  /// Leaves without a word.
  drop() {
    const request = this.request_;
    this.request_ = this.response_ = undefined;
    if (this.stays.at(-1)?.length === 1) this.stays.at(-1).push(performance.now());
    request?.destroy();
  }

  /// Waits until an event with `data` has come.
  has(data) {
    return until(`${this.user} to hear ${data}`, () => this.heard.some((event) => event.data === data));
  }
}
