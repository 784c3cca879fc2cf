// A client that behaves, while others do not: it listens, is sent to, and asks again and again.
//
//   const bystander = await Bystander.start(hub);
//   ... // an attack
//   await bystander.stop(); // throws unless every event came, and none late
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { Connection } from "../../conduct/connection.mjs";
import { until, within } from "./until.mjs";

// Usual are some milliseconds.
const LATEST_MS = 2_000;
const SOME = 10;

export class Bystander {
  static async start(hub) {
    const one = new Bystander();
    one.hub = hub;
    one.stream = await Connection.open(hub.port);
    one.stream.send("GET /sse/subscribe/bystander HTTP/1.0\r\n\r\n");
    await one.stream.take_until("event: connected\n");
    one.sent = 0;
    one.slowest_ms = 0;
    one.took_ms = []; // each event, from its request to its arrival
    one.going = true;
    one.done = one.go();
    return one;
  }
  async go() {
    while (this.going) {
      const start = performance.now();
      await this.hub.send("/sse/send/bystander", `<${++this.sent}>`);
      await this.stream.take_until(`data: <${this.sent}>\n`);
      this.took_ms.push(performance.now() - start);
      this.slowest_ms = Math.max(this.slowest_ms, this.took_ms.at(-1));
      await pause(5);
    }
  }
  /// What an event took in the middle, of those since the event number `from`. Waits until there are some.
  async median_ms(from) {
    await until("the bystander to be served", () => this.took_ms.length >= from + SOME);
    const took = this.took_ms.slice(from).sort((a, b) => a - b);
    return took[Math.floor(took.length / 2)];
  }
  async stop() {
    this.going = false;
    await within("the bystander", this.done);
    this.stream.destroy();
    assert.ok(this.sent > 1, "the bystander was not served");
    assert.ok(this.slowest_ms < LATEST_MS, `the bystander waited ${this.slowest_ms} ms`);
  }
}
