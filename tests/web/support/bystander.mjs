// A client that behaves, while others do not: it listens, is sent to, and asks again and again. It does so on a thread of
// its own, so that it waits for the hub and not for those who attack it.
//
//   const bystander = await Bystander.start(hub);
//   ... // an attack
//   await bystander.stop(); // throws unless every event came, and none late
import assert from "node:assert/strict";
import { Worker } from "node:worker_threads";
import { until, within } from "./until.mjs";

// Usual are some milliseconds.
const LATEST_MS = 2_000;
const SOME = 10;

export class Bystander {
  static async start(hub) {
    const one = new Bystander();
    one.took_ms = []; // each event, from its request to its arrival
    const { url, ca } = hub;
    one.thread = new Worker(new URL("bystander_thread.mjs", import.meta.url), { workerData: { url, ca } });
    one.thread.on("message", (took_ms) => one.took_ms.push(took_ms));
    one.done = new Promise((resolve, reject) => one.thread.once("exit", resolve).once("error", reject));
    one.done.catch((error) => (one.failure = error)); // whoever waits for it, or stops it, is told
    await one.until_served(1);
    return one;
  }
  /// Events that came.
  get sent() {
    return this.took_ms.length;
  }
  get slowest_ms() {
    return Math.max(...this.took_ms);
  }
  /// Waits until so many events have come.
  async until_served(count) {
    await until("the bystander to be served", () => {
      if (this.failure) throw this.failure;
      return this.sent >= count;
    });
  }
  /// What an event took in the middle, of those since the event number `from`. Waits until there are some.
  async median_ms(from) {
    await this.until_served(from + SOME);
    const took = this.took_ms.slice(from).sort((a, b) => a - b);
    return took[Math.floor(took.length / 2)];
  }
  async stop() {
    this.thread.postMessage("stop");
    await within("the bystander", this.done);
    assert.ok(this.sent > 1, "the bystander was not served");
    assert.ok(this.slowest_ms < LATEST_MS, `the bystander waited ${this.slowest_ms} ms`);
  }
}
