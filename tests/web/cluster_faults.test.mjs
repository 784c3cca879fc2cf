// A hub whose Redis is away, refuses it, is full, or holds what nobody can read: it serves its local streams, says that
// it is degraded, and is well again when Redis is.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, describe, test } from "node:test";
import { start_cluster } from "./support/cluster.mjs";
import { Ledger, to_everybody, to_user } from "./support/ledger.mjs";
import { start } from "./support/program.mjs";
import { Recorder } from "./support/recorder.mjs";
import { prepare_redis, start_redis } from "./support/redis.mjs";
import { until, within } from "./support/until.mjs";

const MODES = ["durable", "directed", "broadcast"];
const opened = [];
after(() => opened.forEach((recorder) => recorder.drop()));

async function listen(user, node) {
  const recorder = new Recorder(user);
  opened.push(recorder);
  await recorder.connect(node.url);
  return recorder;
}

const data_of = ({ heard }) => heard.map(({ data }) => data);

describe("faults of Redis", { timeout: 400_000 }, () => {
  for (const mode of MODES) {
    test(`away at the start, ${mode}: hubs listen and serve, and are one when it comes`, async () => {
      const redis = await prepare_redis();
      const cluster = await start_cluster(redis, { mode, nodes: 2, wait: false });
      const [first, second] = cluster.nodes;
      try {
        assert.match(await first.degraded(), /\S/);
        const alice = await listen("alice", first);
        const publisher = new Ledger().publisher();
        const early = await publisher.send(first.url, to_user("alice"));
        if (mode === "durable") {
          assert.equal(early.status, 503, early.error);
          assert.ok(Number(early.retry_after) > 0);
          assert.ok(early.ended - early.began > 3_000, "it gave up too soon");
        } else {
          assert.equal(early.outcome, "accepted");
          assert.equal(early.streams, 1);
          await alice.has(early.data);
        }
        assert.equal((await fetch(`${first.url}/sse/users`)).status, 200);
        // Where the log gives the ids nobody can say yet which was the newest.
        const asked = await fetch(`${first.url}/sse/position`);
        assert.equal(asked.status, mode === "durable" ? 503 : 200);
        assert.equal(asked.headers.has("retry-after"), mode === "durable");

        await redis.start();
        await cluster.well();
        const bob = await listen("bob", second);
        const late = await publisher.send(first.url, to_everybody());
        assert.equal(late.outcome, "accepted", late.error);
        assert.equal(await first.hub.position(), late.id);
        for (const recorder of [alice, bob]) await recorder.has(late.data);
        // The early one may have come late, never twice.
        assert.equal(new Set(data_of(alice)).size, alice.heard.length);
        publisher.close();
      } finally {
        await cluster.stop();
        await redis.stop();
      }
    });
  }

  test("a wrong password is told without being shown, and put right in Redis", async () => {
    const redis = await start_redis({ password: "the right one" });
    const url = `redis://:the-wrong-one@127.0.0.1:${redis.port}`;
    const cluster = await start_cluster(redis, { url, nodes: 1, wait: false });
    const [node] = cluster.nodes;
    try {
      const reason = await until("the refusal to be told", async () => {
        const told = await node.degraded();
        return /password|auth/i.test(told) && told;
      });
      assert.doesNotMatch(reason, /the-wrong-one/);
      const alice = await listen("alice", node);
      // Tried again, and not in a circle as fast as it goes.
      const [tried, busy] = [await refused_logins(redis), await cpu_ms(node)];
      await until("another attempt", async () => (await refused_logins(redis)) > tried);
      assert.ok((await refused_logins(redis)) < tried + 20, "it tries too often");
      assert.ok((await cpu_ms(node)) - busy < 1_000, "it spins");
      await redis.command("CONFIG", "SET", "requirepass", "the-wrong-one");
      redis.password = "the-wrong-one";
      await node.well();
      await node.hub.send("/sse/send/alice", "at last");
      await alice.has("at last");
      assert.doesNotMatch(node.hub.program.stderr + node.hub.program.stdout, /the-wrong-one/);
      await node.hub.program.printed(/\S/, "stderr");
    } finally {
      await cluster.stop();
      await redis.stop();
    }
  });

  for (const mode of MODES) {
    test(`garbage on every key and channel, ${mode}: skipped and counted`, async () => {
      const redis = await start_redis();
      const cluster = await start_cluster(redis, { mode, nodes: 2 });
      const [first, second] = cluster.nodes;
      try {
        const alice = await listen("alice", first);
        const sent = [];
        const send = async (data) => {
          await second.hub.send("/sse/send/alice", data);
          sent.push(data);
        };
        await send("before");
        const garbage = ["", "garbage", "{}", "\u0000\u00ff\u0001", "9".repeat(70_000), "v999 an event of tomorrow"];
        let spoilt = 0;
        for (const channel of await redis.command("PUBSUB", "CHANNELS")) {
          for (const text of garbage) spoilt += await redis.command("PUBLISH", channel, text);
        }
        for (const key of await redis.command("KEYS", "*")) {
          if ((await redis.command("TYPE", key)) !== "stream") continue;
          for (const text of garbage) {
            await redis.command("XADD", key, "*", text, text);
            spoilt += 1;
          }
          await redis.command("XADD", key, "*", "v", "999", "a", "", "e", "", "d", "of tomorrow");
        }
        assert.ok(spoilt > 0, "there was nothing to spoil");
        await send("after");
        await alice.has("after");
        assert.deepEqual(data_of(alice), sent);
        assert.ok((await first.metric("spate_bus_skipped_total")) > 0);
        await cluster.well();
      } finally {
        await cluster.stop();
        await redis.stop();
      }
    });
  }

  test("a full Redis refuses sends, and takes them again when it has room", async () => {
    const redis = await start_redis({ settings: ["--maxmemory-policy", "noeviction"] });
    const cluster = await start_cluster(redis, { nodes: 2 });
    const [first, second] = cluster.nodes;
    try {
      const alice = await listen("alice", second);
      const publisher = new Ledger().publisher();
      const before = await publisher.send(first.url, to_user("alice"));
      await alice.has(before.data);
      await redis.command("CONFIG", "SET", "maxmemory", "1");
      const refused = await publisher.send(first.url, to_user("alice"));
      assert.equal(refused.status, 503, refused.error);
      assert.ok(Number(refused.retry_after) > 0);
      assert.match(await first.degraded(), /memory|OOM/i);
      assert.ok(alice.connected);
      await redis.command("CONFIG", "SET", "maxmemory", "0");
      const last = await until("Redis to take one", async () => {
        const send = await publisher.send(first.url, to_user("alice"));
        return send.outcome === "accepted" && send;
      });
      await alice.has(last.data);
      await cluster.well();
      assert.equal(new Set(data_of(alice)).size, alice.heard.length);
      publisher.close();
    } finally {
      await cluster.stop();
      await redis.stop();
    }
  });

  test("the log in Redis keeps as many events, bytes and milliseconds as the hub's options say", async () => {
    const redis = await start_redis({ settings: ["--stream-node-max-entries", "1"] });
    const data = "x".repeat(50_000);
    for (const [options, kept] of [
      [["--redis-log-bytes", "500000"], (length) => length >= 5 && length <= 10],
      [["--replay-bytes", "500000"], (length) => length >= 5 && length <= 10],
      [["--redis-log-events", "4"], (length) => length === 4],
    ]) {
      const cluster = await start_cluster(redis, { nodes: 1, options });
      try {
        for (let i = 0; i < 30; i += 1) await cluster.nodes[0].hub.send("/sse/send/alice", data);
        const length = Number(await redis.command("XLEN", "spate:log"));
        assert.ok(kept(length), `${options}: ${length}`);
      } finally {
        await cluster.stop();
      }
    }
    await redis.stop();
  });

  test("a log that Redis has lost is a gap, told to those who are there and to those who return", async () => {
    const redis = await start_redis();
    const cluster = await start_cluster(redis, { nodes: 2 });
    const [first, second] = cluster.nodes;
    try {
      const alice = await listen("alice", first);
      const bob = await listen("bob", second);
      const { id } = await first.hub.send("/sse/broadcast", "before");
      for (const recorder of [alice, bob]) await recorder.has("before");
      bob.drop();
      await redis.kill();
      await redis.start(); // empty
      await cluster.well();
      await bob.connect(first.url);
      await second.hub.send("/sse/broadcast", "after");
      for (const recorder of [alice, bob]) {
        await recorder.has("after");
        assert.deepEqual(data_of(recorder), ["before", "after"]);
        const told = recorder.gaps.map(({ requested, reason }) => ({ requested, reason }));
        assert.deepEqual(told, [{ requested: id, reason: "unknown" }], recorder.user);
      }
    } finally {
      await cluster.stop();
      await redis.stop();
    }
  });

  test("a database and a user of Redis's by URL; two applications share a server", async () => {
    const redis = await start_redis();
    await redis.command("ACL", "SETUSER", "hub", "on", ">a p@ss:word", "~*", "&*", "+@all");
    const address = `127.0.0.1:${redis.port}`;
    const one = await start_cluster(redis, { url: `redis://hub:a%20p%40ss%3Aword@${address}/1`, nodes: 1 });
    const other = await start_cluster(redis, { url: `redis://${address}/2`, nodes: 1 });
    try {
      const recorders = await Promise.all([listen("alice", one.nodes[0]), listen("alice", other.nodes[0])]);
      await one.nodes[0].hub.send("/sse/send/alice", "for one");
      await other.nodes[0].hub.send("/sse/send/alice", "for the other");
      await recorders[0].has("for one");
      await recorders[1].has("for the other");
      assert.deepEqual(recorders.map(data_of), [["for one"], ["for the other"]]);
    } finally {
      await one.stop();
      await other.stop();
      await redis.stop();
    }
  });

  test("what cannot be understood ends the hub with 2 and is quoted, but for a password", async () => {
    const refusals = [
      [["--redis", "http://127.0.0.1:1"], /"http:/],
      [["--redis", ""], /""/],
      [["--redis", "redis://127.0.0.1:notaport"], /notaport/],
      [["--redis", "redis://127.0.0.1:99999"], /99999/],
      [["--redis", "redis://127.0.0.1:6379/x"], /\/x"/],
      [["--redis", "redis://bob:secret@127.0.0.1:notaport"], /notaport/],
      [["--redis", "rediss://bob:secret@127.0.0.1:6379"], /rediss:.*TLS|TLS.*rediss:/],
      [["--redis", "redis://127.0.0.1:6379", "--cluster-mode", "eventual"], /"eventual"/],
      [["--redis", "redis://127.0.0.1:6379", "--node", "a b"], /"a b"/],
      [["--redis", "redis://127.0.0.1:6379", "--node", ""], /""/],
      [["--redis", "redis://127.0.0.1:6379", "--node", "n".repeat(65)], /"n{60,65}/],
    ];
    for (const [options, told] of refusals) {
      const hub = start(process.env.HUB, ["--port", "0", ...options]);
      assert.equal(await within("its end", hub.exit), 2, options.join(" ") + hub.stdout + hub.stderr);
      assert.match(hub.stderr, /^hub: [^\n]+\n$/);
      assert.match(hub.stderr, told);
      assert.doesNotMatch(hub.stderr, /secret/);
      assert.equal(hub.stdout, "");
    }
  });
});

async function refused_logins(redis) {
  const text = await redis.command("INFO", "commandstats");
  return Number(/^cmdstat_auth:.*failed_calls=(\d+)/m.exec(text)?.[1] ?? 0);
}

// The time that a hub's threads ran.
async function cpu_ms({ hub }) {
  const fields = (await readFile(`/proc/${hub.program.pid}/stat`, "utf8")).replace(/^.*\) /, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
