// Hubs that share a Redis. Each keeps its port over its deaths, so that clients may know all addresses beforehand.
//
//   const redis = await start_redis();
//   const cluster = await start_cluster(redis, { mode: "durable", nodes: 3 });
//   await cluster.nodes[0].kill();
//   await cluster.nodes[0].start();
import assert from "node:assert/strict";
import { free_port } from "./free_port.mjs";
import { start_hub } from "./hub.mjs";
import { until } from "./until.mjs";

/// Starts `nodes` hubs one after the other and waits until all are well, unless `wait` is false. `options`: more of the
/// hubs' command line.
export async function start_cluster(redis, given = {}) {
  const { mode = "durable", nodes = 3, options = [], url = redis.url, wait = true } = given;
  const names = Array.from({ length: nodes }, (_, index) => `node-${index + 1}`);
  const cluster = new Cluster(names.map((name) => new Node(name, ["--redis", url, "--cluster-mode", mode, ...options])));
  for (const node of cluster.nodes) await node.start();
  if (wait) await cluster.well();
  return cluster;
}

class Cluster {
  constructor(nodes) {
    this.nodes = nodes;
  }

  get running() {
    return this.nodes.filter((node) => node.running);
  }

  /// Waits until every node that runs says that it is.
  async well() {
    for (const node of this.running) await node.well();
  }

  /// Waits until every node that runs counts `users` and `streams` in the whole cluster.
  async counts(users, streams) {
    for (const node of this.running) {
      let seen;
      await until(`${users} users and ${streams} streams as ${node.name} sees it`, async () => {
        seen = await node.hub.get("/sse/count?scope=cluster");
        return seen.users === users && seen.streams === streams;
      }).catch((error) => {
        throw new Error(`${error.message}; it sees ${JSON.stringify(seen)}`);
      });
    }
  }

  async stop() {
    await Promise.all(this.running.map((node) => node.stop()));
  }
}

class Node {
  constructor(name, options) {
    this.name = name;
    this.options = [...options, "--node", name];
    this.port = undefined;
  }

  get running() {
    return this.hub !== undefined && this.hub.program.ended === undefined;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  async start() {
    assert.ok(!this.running);
    this.port ??= await free_port();
    this.hub = await start_hub(...this.options, "--port", String(this.port));
  }

  /// In peace; throws when it does not exit with 0.
  stop() {
    return this.hub.stop();
  }

  /// As a crash would.
  kill() {
    return this.hub.kill();
  }

  async health() {
    return (await fetch(`${this.url}/healthz`)).text();
  }

  /// Waits until the node says that nothing is wrong with it.
  async well() {
    let health;
    await until(`${this.name} to be well`, async () => (health = (await this.health()).trim()) === "ok").catch((error) => {
      throw new Error(`${error.message}; it says '${health}'`);
    });
  }

  /// Waits until the node says that something is, and returns what. It tells anybody who asks, so it never says where.
  async degraded() {
    const told = await until(`${this.name} to be degraded`, async () => /^degraded: (.+)/.exec(await this.health())?.[1]);
    assert.doesNotMatch(told, /127\.0\.0\.1|localhost|redis:|:\d{2,}/, "it says where Redis is");
    return told;
  }

  /// The value of one metric.
  async metric(name) {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const found = new RegExp(`^${name} (\\d+)$`, "m").exec(text);
    assert.ok(found, `${this.name} has no metric ${name}`);
    return Number(found[1]);
  }
}
