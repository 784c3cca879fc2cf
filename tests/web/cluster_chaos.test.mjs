// A cluster whose parts fail, one after the other: Redis is killed, paused, and cuts its clients; hubs are killed,
// stopped and frozen. MODE names the mode of the cluster, SECONDS how long it goes on, SEED the run to repeat.
//
// In durable mode clients also leave at random and resume at another hub, and still have everything that was accepted,
// once and in order. In the other modes they stay as long as their hub does, and what is lost was sent during a fault
// or while its client was away.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Chaos } from "./support/chaos.mjs";
import { start_cluster } from "./support/cluster.mjs";
import { Ledger, to_everybody, to_group, to_user, to_users } from "./support/ledger.mjs";
import { seeded_random } from "./support/random.mjs";
import { Recorder } from "./support/recorder.mjs";
import { start_redis } from "./support/redis.mjs";
import { until } from "./support/until.mjs";

const mode = process.env.MODE ?? "durable";
const durable = mode === "durable";
const SECONDS = Number(process.env.SECONDS ?? (durable ? 60 : 40));
const PUBLISHERS = 6;
// How long after its 202 an event may still be on its way to another hub, on a busy machine.
const UNDER_WAY_MS = 1_000;
const users = Array.from({ length: 60 }, (_, index) => `u${String(index).padStart(2, "0")}`);

function any_audience(random) {
  const kind = random.next();
  if (kind < 0.7) return to_user(random.pick(users));
  if (kind < 0.8) return to_users(random.sample(users, 3));
  if (kind < 0.95) return to_group(random.pick(users).slice(0, 2));
  return to_everybody();
}

describe(`three nodes under chaos, ${mode}`, { timeout: 400_000 }, () => {
  test(durable ? "nothing is lost and nothing comes twice" : "losses lie within the faults", async () => {
    const random = seeded_random();
    const redis = await start_redis({ durable });
    const cluster = await start_cluster(redis, { mode, options: ["--replay-events", "200000", "--drain-ms", "1000"] });
    const chaos = new Chaos(redis, cluster, random.fork());
    const ledger = new Ledger();
    ledger.same_ids = durable;
    const recorders = users.flatMap((user) => Array.from({ length: random.between(1, 2) }, () => new Recorder(user)));
    let resumes = 0;
    let stormy = true;
    let open = true;

    const listen = async (recorder, own) => {
      while (open) {
        // Without a log another hub does not know its cursor, and would tell all that it keeps once more.
        if (!durable) recorder.cursor = undefined;
        try {
          await recorder.connect(own.pick(cluster.nodes).url);
        } catch {
          await pause(own.between(10, 100));
          continue;
        }
        resumes += 1;
        if (durable && stormy) await Promise.race([recorder.over, pause(own.between(100, 4000))]);
        else await recorder.over;
        recorder.drop();
      }
    };
    const publish = async (publisher, own) => {
      while (stormy) {
        // Without a log only the events of one hub have an order, so that each publisher keeps to theirs.
        const node = durable ? own.pick(cluster.nodes) : cluster.nodes[publisher.index % cluster.nodes.length];
        await publisher.send(node.url, any_audience(own));
        await pause(own.between(0, 15));
      }
    };

    try {
      await Promise.all(recorders.map((recorder) => recorder.connect(random.pick(cluster.nodes).url)));
      await cluster.counts(users.length, recorders.length);
      for (const recorder of recorders) recorder.drop();
      const listening = recorders.map((recorder) => listen(recorder, random.fork()));
      await until("all to be connected", () => recorders.every(({ connected }) => connected));
      const publishers = Array.from({ length: PUBLISHERS }, () => ledger.publisher());
      const publishing = publishers.map((publisher) => publish(publisher, random.fork()));

      // Without a log the calm is what shows something: nothing may be lost then.
      await chaos.run(SECONDS * 1000, durable ? {} : { least_calm_ms: 2 * UNDER_WAY_MS, most_calm_ms: 3 * UNDER_WAY_MS });
      stormy = false;
      await Promise.all(publishing);
      await until("all to be connected", () => recorders.every(({ connected }) => connected));
      // The last word of each publisher comes after all that they sent before, wherever from. Who does not hear it is named
      // with all that they lost, below.
      let deaf;
      for (const publisher of publishers) {
        for (const node of durable ? cluster.nodes : [cluster.nodes[publisher.index % cluster.nodes.length]]) {
          const last = await until("a last word", async () => {
            const send = await publisher.send(node.url, to_everybody());
            return send.outcome === "accepted" && send;
          });
          for (const recorder of recorders) if (!deaf) await recorder.has(last.data).catch((error) => (deaf = error));
        }
      }
      open = false;
      for (const recorder of recorders) recorder.drop();
      await Promise.all(listening);

      const losses = [];
      const heard_by = new Map();
      let deliveries = 0;
      for (const recorder of recorders) {
        const { heard, lost } = ledger.check(recorder);
        deliveries += heard.size;
        for (const data of heard) heard_by.set(data, (heard_by.get(data) ?? 0) + 1);
        for (const send of lost) losses.push({ recorder, send });
        if (durable) assert.deepEqual(recorder.gaps, [], recorder.user);
      }
      const sends = [...ledger.sends.values()];
      const calm = sends.filter(({ began, ended }) => !chaos.within_fault(began, ended, UNDER_WAY_MS)).length;
      const outcomes = ["accepted", "refused", "unknown"].map((outcome) => `${ledger.count(outcome)} ${outcome}`);
      console.log(
        `${chaos.summary()}; ${outcomes.join(", ")}, ${calm} of them in calm; ${deliveries} deliveries, ` +
          `${losses.length} lost; ${resumes} connections of ${recorders.length} streams`,
      );
      if (deaf) console.log(deaf.message, losses.slice(0, 5).map(describe_loss));
      assert.equal(deaf, undefined);
      // The test has shown nothing if hardly anything went on.
      assert.ok(ledger.count("accepted") > SECONDS * 20, "too little was accepted");
      assert.ok(durable || calm > sends.length / 20, "too little was sent in calm");
      for (const { status, retry_after, error } of sends.filter(({ outcome }) => outcome === "refused")) {
        assert.equal(status, 503, error);
        assert.ok(Number(retry_after) > 0, error);
      }

      if (durable) {
        assert.deepEqual(losses.slice(0, 3).map(describe_loss), [], `${losses.length} events were lost`);
        // What was not accepted has come to all whom it was for, or to none.
        for (const send of sends.filter(({ outcome }) => outcome !== "accepted")) {
          const reached = heard_by.get(send.data) ?? 0;
          const meant = recorders.filter(({ user }) => send.audience.includes(user)).length;
          assert.ok(reached === 0 || reached === meant, `${send.data} reached ${reached} of ${meant}: ${send.error}`);
        }
      } else {
        const away = ({ stays }, began, ended) =>
          !stays.some(([from, to = Infinity]) => from < began && ended + UNDER_WAY_MS < to);
        const inexcusable = losses.filter(
          ({ recorder, send: { began, ended } }) =>
            !chaos.within_fault(began, ended, UNDER_WAY_MS) && !away(recorder, began, ended),
        );
        assert.deepEqual(inexcusable.slice(0, 3).map(describe_loss), [], `${inexcusable.length} of ${losses.length}`);
      }
    } finally {
      open = stormy = false;
      for (const recorder of recorders) recorder.drop();
      redis.resume();
      await cluster.stop();
      await redis.stop();
    }
  });
});

function describe_loss({ recorder, send }) {
  const { data, began, ended, url, audience } = send;
  const stays = recorder.stays.map((stay) => stay.map(Math.round).join("-")).join(" ");
  return `${recorder.user} (there ${stays}) lost ${data} to ${audience.path} at ${url}, ${Math.round(began)}-${Math.round(ended)}`;
}
