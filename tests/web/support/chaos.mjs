// Faults of a cluster, one after the other, in an order that the seed decides. Each lasts until everything is well
// again; its window is what tells whether a loss may be.
//
//   const chaos = new Chaos(redis, cluster, random);
//   await chaos.run(60_000);
//   chaos.faults;              // [{ name, began, ended }], milliseconds as performance.now() tells them
import { setTimeout as pause } from "node:timers/promises";

export class Chaos {
  constructor(redis, cluster, random) {
    this.redis = redis;
    this.cluster = cluster;
    this.random = random;
    this.faults = [];
  }

  /// Brings faults for `duration_ms`, every kind before any comes again, with some calm after each.
  async run(duration_ms, { least_calm_ms = 300, most_calm_ms = 1200 } = {}) {
    const end = performance.now() + duration_ms;
    let kinds = [];
    while (performance.now() < end) {
      if (kinds.length === 0) kinds = this.random.sample(Object.keys(Chaos.kinds), Object.keys(Chaos.kinds).length);
      const name = kinds.pop();
      const fault = { name, began: performance.now() };
      this.faults.push(fault);
      await Chaos.kinds[name](this);
      await this.cluster.well();
      fault.ended = performance.now();
      await pause(this.random.between(least_calm_ms, most_calm_ms));
    }
  }

  /// Whether the time from `began` to `ended` touches that of a fault. What is accepted just before a fault is under
  /// way when it comes, so that each window begins `margin_ms` early.
  within_fault(began, ended, margin_ms) {
    return this.faults.some((fault) => ended >= fault.began - margin_ms && began <= (fault.ended ?? Infinity));
  }

  /// "3 x redis killed, ..."
  summary() {
    const counts = new Map();
    for (const { name } of this.faults) counts.set(name, (counts.get(name) ?? 0) + 1);
    return [...counts].map(([name, count]) => `${count} x ${name}`).join(", ");
  }

  static kinds = {
    async "redis killed"({ redis, random }) {
      await redis.kill();
      await pause(random.between(50, 1500));
      await redis.start();
    },
    // Longer than a send waits for Redis, at times.
    async "redis paused"({ redis, random }) {
      redis.pause();
      await pause(random.chance(0.3) ? 6_000 : random.between(100, 2000));
      redis.resume();
    },
    async "redis holds its clients"({ redis, random }) {
      const held = random.between(200, 1500);
      await redis.command("CLIENT", "PAUSE", held, "ALL");
      await pause(held);
    },
    async "redis cuts its clients"({ redis }) {
      await redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
      await redis.command("CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes");
    },
    async "node killed"({ cluster, random }) {
      const node = random.pick(cluster.nodes);
      await node.kill();
      await pause(random.between(50, 1000));
      await node.start();
    },
    async "node stopped"({ cluster, random }) {
      const node = random.pick(cluster.nodes);
      await node.stop();
      await pause(random.between(0, 500));
      await node.start();
    },
    async "node frozen"({ cluster, random }) {
      const { pid } = random.pick(cluster.nodes).hub.program;
      process.kill(pid, "SIGSTOP");
      await pause(random.between(100, 1500));
      process.kill(pid, "SIGCONT");
    },
  };
}
