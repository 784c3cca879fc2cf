// Directed mode: an event for one user goes only to the hubs that hold them. Counted at Redis and at the hubs.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { start_cluster } from "./support/cluster.mjs";
import { Recorder } from "./support/recorder.mjs";
import { start_redis } from "./support/redis.mjs";
import { until } from "./support/until.mjs";

const SENDS = 100;
// HUB: the lease after which a node that died no longer counts, and what a busy machine may add to it.
const LEASE_MS = 10_000;

describe("directed mode", { timeout: 200_000 }, () => {
  let redis, cluster, first, second, third;
  before(async () => {
    redis = await start_redis();
    cluster = await start_cluster(redis, { mode: "directed" });
    [first, second, third] = cluster.nodes;
  });
  after(async () => {
    await cluster?.stop();
    await redis?.stop();
  });

  const received = () => Promise.all(cluster.nodes.map((node) => node.metric("spate_bus_received_total")));

  // Sends SENDS events from the first node and waits until each recorder has the last; returns what Redis was asked to
  // publish and what each node received meanwhile.
  async function count(path, recorders) {
    const before = await received();
    await redis.command("CONFIG", "RESETSTAT");
    let data;
    for (let number = 0; number < SENDS; ++number) {
      data = `${path} ${number}`;
      await first.hub.send(path, data);
    }
    for (const recorder of recorders) await recorder.has(data);
    // Redis has told everybody by now whom it told anything: one publisher's messages are in order.
    const { publish = 0 } = await redis.calls();
    return { publish, received: (await received()).map((value, index) => value - before[index]) };
  }

  test("a unicast touches the one node that holds the user", async () => {
    const alice = new Recorder("alice");
    await alice.connect(second.url);
    await cluster.counts(1, 1);
    assert.deepEqual(await count("/sse/send/alice", [alice]), { publish: SENDS, received: [0, SENDS, 0] });
    assert.equal(alice.heard.length, SENDS);
    alice.drop();
    await cluster.counts(0, 0);
  });

  test("a user who is here only costs Redis no message", async () => {
    const alice = new Recorder("alice");
    await alice.connect(first.url);
    await cluster.counts(1, 1);
    assert.deepEqual(await count("/sse/send/alice", [alice]), { publish: 0, received: [0, 0, 0] });
    alice.drop();
    await cluster.counts(0, 0);
  });

  test("two tabs on two nodes are both reached, the third node is left alone", async () => {
    const tabs = [new Recorder("alice"), new Recorder("alice")];
    await tabs[0].connect(second.url);
    await tabs[1].connect(first.url);
    await cluster.counts(1, 2);
    const counted = await count("/sse/send/alice", tabs);
    assert.deepEqual(counted, { publish: SENDS, received: [0, SENDS, 0] });
    for (const tab of tabs) tab.drop();
    await cluster.counts(0, 0);
  });

  test("a group goes to all nodes", async () => {
    const recorders = [new Recorder("alice"), new Recorder("albert")];
    await recorders[0].connect(second.url);
    await recorders[1].connect(third.url);
    await cluster.counts(2, 2);
    const counted = await count("/sse/group/al", recorders);
    assert.deepEqual(counted, { publish: SENDS, received: [0, SENDS, SENDS] });
    for (const recorder of recorders) recorder.drop();
    await cluster.counts(0, 0);
  });

  test("the users of a node that died are gone when its lease is over, and reached meanwhile where they went", async () => {
    const alice = new Recorder("alice");
    const bob = new Recorder("bob");
    await alice.connect(third.url);
    await bob.connect(second.url);
    await cluster.counts(2, 2);
    await third.kill();
    const died = performance.now();
    alice.drop();
    await alice.connect(second.url);
    await first.hub.send("/sse/send/alice", "wherever you are");
    await alice.has("wherever you are");
    await until(
      "the dead node's streams to be gone",
      async () => (await first.hub.get("/sse/count?scope=cluster")).streams === 2,
      4 * LEASE_MS,
    );
    assert.deepEqual(await first.hub.get("/sse/users?scope=cluster"), ["alice", "bob"]);
    console.log(`gone after ${Math.round(performance.now() - died)} ms`);
    for (const recorder of [alice, bob]) recorder.drop();
  });
});
