// Topics, commands with scope=cluster, and who is online, over several hubs and each mode.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { start_cluster } from "./support/cluster.mjs";
import { start_hub } from "./support/hub.mjs";
import { Recorder } from "./support/recorder.mjs";
import { start_redis } from "./support/redis.mjs";
import { has_sqlite, new_file } from "./support/stores.mjs";
import { until, within } from "./support/until.mjs";

const data_of = (events) => events.map(({ data }) => data);
const came = (user) => ({ user, online: true });
const went = (user) => ({ user, online: false });
// HUB: the lease after which a node that died no longer counts, and what a busy machine may add to it.
const LEASE_MS = 10_000;

for (const mode of ["durable", "directed", "broadcast"]) {
  describe(`topics in ${mode} mode`, { timeout: 300_000 }, () => {
    let redis, cluster, first, second, third;
    const open = [];
    before(async () => {
      redis = await start_redis();
      cluster = await start_cluster(redis, { mode });
      [first, second, third] = cluster.nodes;
    });
    after(async () => {
      await cluster?.stop();
      await redis?.stop();
    });
    afterEach(async () => {
      for (const recorder of open.splice(0)) recorder.drop();
      await cluster.counts(0, 0);
    });
    const listen = async (node, user, query) => {
      const recorder = new Recorder(user, query);
      open.push(recorder);
      await recorder.connect(node.url);
      return recorder;
    };
    /// Sends to `topic` from the first node until `recorder`, who is to join it, hears it.
    const joined = (recorder, topic) =>
      until(`${recorder.user} to have joined ${topic}`, async () => {
        await first.hub.send(`/sse/topic/${topic}?keep=0`, `are you in ${topic}?`);
        return recorder.heard.some(({ data }) => data === `are you in ${topic}?`);
      });

    test("a topic is sent to who listens at any hub, kept or not", async () => {
      const alice = await listen(second, "alice", "topic=room");
      const bob = await listen(third, "bob");
      await cluster.counts(2, 2);
      await first.hub.send("/sse/topic/room", "kept");
      const live = await first.hub.send("/sse/topic/room?keep=0", "live");
      assert.deepEqual(live, { id: null, streams: 0 });
      await first.hub.send("/sse/topic/room?ttl=60000", "for a minute");
      await first.hub.send("/sse/broadcast", "end");
      for (const each of [alice, bob]) await each.has("end");
      assert.deepEqual(data_of(alice.heard), ["kept", "live", "for a minute", "end"]);
      assert.deepEqual(data_of(bob.heard), ["end"]);
      assert.deepEqual(await first.hub.get("/sse/users?topic=room"), []);
      assert.deepEqual(await second.hub.get("/sse/users?topic=room"), ["alice"]);
    });

    test("with scope=cluster a user joins, leaves and is closed at all hubs, without it at one", async () => {
      const tabs = [await listen(second, "alice"), await listen(third, "alice")];
      const [near, far] = tabs;
      await cluster.counts(1, 2);
      assert.deepEqual((await second.hub.post("/sse/topics/alice?join=here")).json, { streams: 1 });
      await joined(near, "here");
      await second.hub.send("/sse/send/alice", "end of here");
      await far.has("end of here");
      assert.ok(!data_of(far.heard).includes("are you in here?"));

      assert.deepEqual((await first.hub.post("/sse/topics/alice?join=all&join=more&scope=cluster")).json, { streams: 0 });
      for (const tab of tabs) for (const topic of ["all", "more"]) await joined(tab, topic);
      assert.deepEqual((await third.hub.post("/sse/topics/alice?leave=all&scope=cluster")).json, { streams: 1 });
      for (const node of [second, third]) {
        await until("alice to have left", async () => (await node.hub.get("/sse/users?topic=all")).length === 0);
        assert.deepEqual(await node.hub.get("/sse/users?topic=more"), ["alice"]);
      }

      assert.deepEqual((await first.hub.post("/sse/close/alice")).json, { closed: 0 });
      assert.deepEqual((await first.hub.post("/sse/close/nobody?scope=cluster")).json, { closed: 0 });
      assert.deepEqual(await first.hub.get("/sse/count?scope=cluster"), { users: 1, streams: 2 });
      await second.hub.send("/sse/send/alice", "last");
      const { status, json } = await second.hub.post("/sse/close/alice?scope=cluster");
      assert.deepEqual([status, json], [200, { closed: 1 }]);
      for (const tab of tabs) {
        await within("the end", tab.over);
        assert.deepEqual(tab.closings, [{ reason: "closed" }]);
      }
      assert.ok(data_of(near.heard).includes("last"));
    });

    test("who is online anywhere is told everywhere; who leaves one of two hubs is still online", async () => {
      const watchers = [await listen(first, "watcher", "topic=%24presence"), await listen(second, "other", "topic=%24presence")];
      const [watcher, other] = watchers;
      const is_told = (recorder, what) =>
        until(`${recorder.user} to be told ${JSON.stringify(what)}`, () =>
          recorder.presence.some(({ user, online }) => user === what.user && online === what.online),
        );
      await is_told(watcher, came("watcher"));
      await is_told(other, came("other"));
      const here = await listen(second, "bob");
      for (const each of watchers) await is_told(each, came("bob"));
      const there = await listen(third, "bob");
      await cluster.counts(3, 4);
      here.drop();
      await cluster.counts(3, 3);
      // Who comes and goes later is told, and bob, who stays, is not.
      const marker = await listen(third, "marker");
      for (const each of watchers) await is_told(each, came("marker"));
      marker.drop();
      for (const each of watchers) await is_told(each, went("marker"));
      const of_bob = (recorder) => recorder.presence.filter(({ user }) => user === "bob");
      for (const each of watchers) assert.deepEqual(of_bob(each), [came("bob")]);
      there.drop();
      for (const each of watchers) await is_told(each, went("bob"));
      for (const each of watchers) assert.deepEqual(of_bob(each), [came("bob"), went("bob")]);
    });

    test("the users of a hub that died are told to have gone when its lease is over", async () => {
      const watcher = await listen(first, "watcher", "topic=%24presence");
      const bob = await listen(third, "bob");
      const about_bob = () => watcher.presence.filter(({ user }) => user === "bob");
      await until("bob to be told", () => about_bob().length === 1);
      await third.kill();
      bob.drop();
      await until("bob's end to be told", () => about_bob().length === 2, 4 * LEASE_MS);
      assert.deepEqual(about_bob(), [came("bob"), went("bob")]);
      await third.start();
      await cluster.well();
    });
  });
}

describe("a history file beside Redis", { timeout: 100_000 }, () => {
  if (!has_sqlite) return;

  test("outlives the hub where Redis only relays, and takes events while Redis is away", async () => {
    const redis = await start_redis();
    const options = ["--redis", redis.url, "--cluster-mode", "directed", "--history"];
    const file = new_file();
    let hub = await start_hub(...options, file);
    const peer = await start_hub(...options, new_file());
    const alice = new Recorder("alice");
    await alice.connect(peer.url);
    for (const each of [hub, peer]) {
      await until("a hub to see alice", async () => (await each.get("/sse/count?scope=cluster")).streams === 1);
    }
    await hub.send("/sse/send/alice", "relayed");
    await alice.has("relayed");
    await redis.kill();
    const { id } = await hub.send("/sse/send/alice", "while Redis is away");
    await hub.kill();
    hub = await start_hub(...options, file);
    const since = await hub.get("/sse/subscribe/alice?transport=poll&timeout=0&last_event_id=earliest");
    assert.deepEqual(data_of(since.events), ["relayed", "while Redis is away"]);
    assert.equal(since.events.at(-1).id, id);
    alice.drop();
    await hub.stop();
    await peer.stop();
  });
});
