// Three hubs, 300 users with one or two streams on random hubs, 20,000 sends from all of them to one, to several, to
// groups and to everybody: each stream hears what is for it, once, and each publisher in order. MODE names the mode of
// the cluster.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { start_cluster } from "./support/cluster.mjs";
import { Ledger, to_everybody, to_group, to_user, to_users } from "./support/ledger.mjs";
import { seeded_random } from "./support/random.mjs";
import { Recorder } from "./support/recorder.mjs";
import { start_redis } from "./support/redis.mjs";
import { until } from "./support/until.mjs";

const USERS = 300;
const SENDS = Number(process.env.SENDS ?? 20_000);
const PUBLISHERS_PER_NODE = 8;
const mode = process.env.MODE ?? "durable";

// u000 to u299: `u1` is a group of a hundred, `u12` one of ten.
const users = Array.from({ length: USERS }, (_, index) => `u${String(index).padStart(3, "0")}`);

function any_audience(random) {
  const kind = random.next();
  if (kind < 0.82) return to_user(random.pick(users));
  if (kind < 0.92) return to_users(random.sample(users, 3));
  if (kind < 0.98) return to_group(random.pick(users).slice(0, 3));
  if (kind < 0.99) return to_group(random.pick(users).slice(0, 2));
  return to_everybody();
}

describe(`delivery across three nodes, ${mode}`, { timeout: 300_000 }, () => {
  test(`${SENDS} sends reach whom they are for, once and in order`, async () => {
    const random = seeded_random();
    const redis = await start_redis();
    const cluster = await start_cluster(redis, { mode, options: ["--replay-events", "100000"] });
    const recorders = users.flatMap((user) => Array.from({ length: random.between(1, 2) }, () => new Recorder(user)));
    const ledger = new Ledger();
    ledger.same_ids = mode === "durable";
    try {
      await Promise.all(recorders.map((recorder) => recorder.connect(random.pick(cluster.nodes).url)));
      await cluster.counts(USERS, recorders.length);

      let left = SENDS;
      const publish = async (node, own_random) => {
        const publisher = ledger.publisher();
        while (left-- > 0) {
          const send = await publisher.send(node.url, any_audience(own_random));
          assert.equal(send.outcome, "accepted", `${send.status}: ${send.error}`);
        }
        publisher.close();
      };
      const began = performance.now();
      await Promise.all(
        cluster.nodes.flatMap((node) =>
          Array.from({ length: PUBLISHERS_PER_NODE }, () => publish(node, random.fork())),
        ),
      );
      const sent = performance.now() - began;

      // Everything for one user passes through Redis in one order in durable mode; in the others there is an order for
      // each publisher only, so each has a last word.
      for (const [index, node] of cluster.nodes.entries()) {
        const own = ledger.publishers.slice(index * PUBLISHERS_PER_NODE, (index + 1) * PUBLISHERS_PER_NODE);
        for (const publisher of own) {
          const { data } = await publisher.send(node.url, to_everybody());
          for (const recorder of recorders) {
            await until(`${recorder.user} to hear ${data}`, () => recorder.heard.findLast((each) => each.data === data));
          }
          publisher.close();
        }
      }
      let deliveries = 0;
      for (const recorder of recorders) {
        const { heard, lost } = ledger.check(recorder);
        assert.deepEqual(lost.slice(0, 3), [], `${recorder.user} lost ${lost.length} events`);
        assert.deepEqual(recorder.gaps, []);
        deliveries += heard.size;
      }
      assert.equal(ledger.count("accepted"), SENDS + ledger.publishers.length);
      const seconds = sent / 1000;
      console.log(`${SENDS} sends in ${seconds.toFixed(1)} s, ${deliveries} deliveries to ${recorders.length} streams`);
    } finally {
      for (const recorder of recorders) recorder.drop();
      await cluster.stop();
      await redis.stop();
    }
  });
});
