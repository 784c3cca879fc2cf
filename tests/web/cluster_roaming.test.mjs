// Durable mode: whatever a client has seen at one hub, another goes on from there, also one that was started since.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { start_cluster } from "./support/cluster.mjs";
import { Recorder } from "./support/recorder.mjs";
import { start_redis } from "./support/redis.mjs";
import { until } from "./support/until.mjs";

const data_of = (events) => events.map(({ data }) => data);

describe("clients that roam", { timeout: 200_000 }, () => {
  let redis, cluster;
  before(async () => {
    redis = await start_redis();
    cluster = await start_cluster(redis);
  });
  after(async () => {
    await cluster?.stop();
    await redis?.stop();
  });

  let sent = 0;
  // Sends the next event from one node after the other, to the user, their group or everybody.
  async function send(user) {
    const path = [`/sse/send/${user}`, `/sse/group/${user.slice(0, 2)}`, "/sse/broadcast"][sent % 3];
    const data = `${user} ${sent++}`;
    await cluster.nodes[sent % 3].hub.send(path, data);
    await cluster.nodes[sent % 3].hub.send("/sse/send/somebody", "else");
    return data;
  }

  test("each poll asks another node", async () => {
    const poll = (number, cursor, timeout) =>
      cluster.nodes[number % 3].hub.get(
        `/sse/subscribe/polly?transport=poll&timeout=${timeout}&last_event_id=${encodeURIComponent(cursor)}`,
      );
    let { last_event_id: cursor } = await poll(0, "", 0);
    const wanted = [];
    const heard = [];
    for (let number = 1; number < 60; ++number) {
      wanted.push(await send("polly"));
      if (number % 4 === 0) continue; // two at a time
      const answer = await poll(number, cursor, 5_000);
      heard.push(...answer.events);
      cursor = answer.last_event_id;
    }
    await until("the rest", async () => {
      const answer = await poll(60, cursor, 100);
      heard.push(...answer.events);
      cursor = answer.last_event_id;
      return heard.length >= wanted.length;
    });
    assert.deepEqual(data_of(heard), wanted);
    assert.ok(heard.every(({ id }) => id !== undefined), "a gap was told");
  });

  test("a stream resumes at the next node before that has the newest event", async () => {
    const rover = new Recorder("rover");
    const wanted = [];
    for (let hop = 0; hop < 60; ++hop) {
      const { resumed } = await rover.connect(cluster.nodes[hop % 3].url);
      assert.equal(resumed, hop > 0);
      wanted.push(await send("rover"));
      // Gone as soon as it has it: the next node may not.
      await rover.has(wanted.at(-1));
      rover.drop();
      if (hop % 5 === 0) wanted.push(await send("rover"));
    }
    await rover.connect(cluster.nodes[0].url);
    wanted.push(await send("rover"));
    await rover.has(wanted.at(-1));
    assert.deepEqual(data_of(rover.heard), wanted);
    assert.deepEqual(rover.gaps, []);
    rover.drop();
  });

  test("a node that starts anew has what was sent while it was away, for those who come to it", async () => {
    const [first, , third] = cluster.nodes;
    const early = new Recorder("early");
    await early.connect(third.url);
    const wanted = [await send("early")];
    await early.has(wanted[0]);
    early.drop();
    await third.kill();
    for (let number = 0; number < 10; ++number) {
      wanted.push(`while away ${number}`);
      await first.hub.send(number % 2 ? "/sse/send/early" : "/sse/group/ea", wanted.at(-1));
    }
    await third.start();
    assert.equal((await early.connect(third.url)).resumed, true);
    await early.has(wanted.at(-1));
    const late = new Recorder("early");
    late.cursor = "earliest";
    await late.connect(third.url);
    await late.has(wanted.at(-1));
    assert.deepEqual(data_of(early.heard), wanted);
    assert.deepEqual(data_of(late.heard).slice(-wanted.length), wanted);
    assert.deepEqual([...early.gaps, ...late.gaps], []);
    for (const recorder of [early, late]) recorder.drop();
    await third.well();
  });

  test("hubs stop in peace while Redis hangs, with a send that waits", async () => {
    const [first, second] = cluster.nodes;
    const idle = new Recorder("idle");
    await idle.connect(first.url);
    redis.pause();
    const waiting = first.hub.post("/sse/send/idle", "too late").catch((error) => error);
    await until("the send to wait", async () => (await first.metric("spate_bus_queued_events")) > 0);
    const began = performance.now();
    await Promise.all([first.stop(), second.stop()]);
    await idle.over;
    assert.deepEqual(idle.closings, [{ reason: "shutdown" }]);
    // The drain's five seconds, and whatever a busy machine adds.
    assert.ok(performance.now() - began < 12_000);
    redis.resume();
    const answer = await waiting;
    assert.ok(answer instanceof Error || answer.status === 503, JSON.stringify(answer));
  });
});
