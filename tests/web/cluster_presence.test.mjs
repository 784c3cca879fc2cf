// Who is on all hubs: who may ask, what it costs the others, and what a hub says and does when it starts, stops and
// shares its name.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { start_cluster } from "./support/cluster.mjs";
import { start_hub } from "./support/hub.mjs";
import { Recorder } from "./support/recorder.mjs";
import { prepare_redis, start_redis } from "./support/redis.mjs";
import { until } from "./support/until.mjs";

const TOKEN = "only for publishers";
const bearer = { Authorization: `Bearer ${TOKEN}` };
const status = async (hub, path, headers = {}) => (await fetch(hub.url + path, { headers })).status;
const health = async (hub) => (await (await fetch(`${hub.url}/healthz`)).text()).trim();

describe("who is on all hubs", { timeout: 200_000 }, () => {
  let redis;
  before(async () => (redis = await start_redis()));
  after(() => redis?.stop());

  test("the whole cluster is told to whoever has the publish token, where one is set", async () => {
    for (const options of [[], ["--redis", redis.url]]) {
      const hub = await start_hub("--publish-token", TOKEN, ...options);
      if (options.length > 0) await until("the hub to be well", async () => (await health(hub)) === "ok");
      for (const what of ["users", "count"]) {
        const path = `/sse/${what}?scope=cluster`;
        assert.equal(await status(hub, path), 401);
        assert.equal(await status(hub, path, { Authorization: "Bearer another" }), 401);
        assert.equal(await status(hub, `/sse/${what}?scope=%63luster`), 401);
        assert.equal((await fetch(hub.url + path, { method: "HEAD" })).status, 401);
        assert.equal(await status(hub, path, bearer), 200);
        // This hub's own take none.
        assert.equal(await status(hub, `/sse/${what}`), 200);
        assert.equal(await status(hub, `/sse/${what}?scope=`), 200);
      }
      await hub.stop();
    }
  });

  test("many who ask at once for a large cluster keep nobody from publishing", async (t) => {
    const hub = await start_hub("--redis", redis.url);
    t.after(async () => {
      await hub.stop();
      await redis.command("FLUSHALL");
    });
    await until("the hub to be well", async () => (await health(hub)) === "ok");
    const script =
      "for i = 1, ARGV[1] do redis.call('HSET', 'spate:node:far', 'user-number-' .. i, '1') end " +
      "redis.call('ZADD', 'spate:nodes', 9999999999999, 'far')";
    await redis.command("EVAL", script, "0", "100000");
    const asked = [];
    const asked_at = performance.now();
    for (let i = 0; i < 30; ++i) asked.push(hub.get("/sse/count?scope=cluster"), hub.get("/sse/users?scope=cluster"));
    let slowest = 0;
    let answered = false;
    const all = Promise.all(asked).finally(() => (answered = true));
    while (!answered) {
      const began = performance.now();
      await hub.send("/sse/send/bob", "meanwhile");
      slowest = Math.max(slowest, performance.now() - began);
      assert.equal(await health(hub), "ok");
    }
    for (const answer of await all) {
      if (Array.isArray(answer)) assert.equal(answer.length, 100_000);
      else assert.deepEqual(answer, { users: 100_000, streams: 100_000 });
    }
    // This program reads all answers, too, which delays what it sends.
    const all_took = performance.now() - asked_at;
    const told = `the slowest send took ${Math.round(slowest)} of ${Math.round(all_took)} ms`;
    console.log(told);
    assert.ok(slowest < Math.max(all_took / 2, 1_000), told);
  });

  for (const mode of ["durable", "directed"]) {
    test(`a hub that is stopped is gone for the others before its lease is over, ${mode}`, async () => {
      const cluster = await start_cluster(redis, { mode, nodes: 2 });
      const [first, second] = cluster.nodes;
      const alice = new Recorder("alice");
      await alice.connect(second.url);
      await cluster.counts(1, 1);
      const began = performance.now();
      await second.stop();
      assert.deepEqual(await redis.command("ZRANGE", "spate:nodes", "0", "-1"), ["node-1"]);
      await cluster.counts(0, 0);
      assert.ok(performance.now() - began < 9_000);
      alice.drop();
      await cluster.stop();
      assert.deepEqual(await redis.command("ZRANGE", "spate:nodes", "0", "-1"), []);
      await redis.command("FLUSHALL");
      assert.ok(first);
    });

    test(`a hub with another's name says so and waits until that has stopped, ${mode}`, async () => {
      const options = ["--redis", redis.url, "--cluster-mode", mode, "--node", "twin"];
      const first = await start_hub(...options);
      await until("the first to be well", async () => (await health(first)) === "ok");
      const second = await start_hub(...options);
      const told = await until("the second to be degraded", async () => {
        const says = await health(second);
        return /another node has this one's name/.test(says) && says;
      });
      assert.match(told, /^degraded: /);
      await second.program.printed(/hub: redis: .*"twin": another node has this one's name/, "stderr");
      assert.equal(await health(first), "ok");
      await first.stop();
      await until("the second to take its place", async () => (await health(second)) === "ok");
      await second.stop();
    });
  }

  test("the health of a hub tells nobody where its Redis is", async () => {
    const away = await prepare_redis();
    const hub = await start_hub("--redis", away.url);
    const says = await until("the hub to have tried", async () => {
      const text = await health(hub);
      return /refused/.test(text) && text;
    });
    assert.match(says, /^degraded: /);
    assert.doesNotMatch(says, /127\.0\.0\.1|localhost|:\d/);
    assert.ok(!says.includes(String(away.port)), says);
    // Who runs it reads it on standard error.
    await hub.program.printed(new RegExp(`127\\.0\\.0\\.1:${away.port}`), "stderr");
    await hub.stop();
  });
});
