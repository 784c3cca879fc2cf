// HTTP/2 as the hub speaks it, without TLS: every case of http2_cases.txt, each on a connection of its own.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setImmediate as immediately } from "node:timers/promises";
import { start_hub } from "../web/support/hub.mjs";
import { Barrier } from "./connection.mjs";
import { read_http2_table, run_case } from "./http2_table.mjs";

const AT_A_TIME = 24;
const table = read_http2_table();

describe("HTTP/2 conduct", { timeout: 240_000 }, () => {
  let hub;
  before(async () => (hub = await start_hub("--threads", "1")));
  after(async () => {
    await hub?.stop();
    console.log(`${table.length} cases, each frame by frame and byte by byte`);
  });

  const failure_of = async (one, options) => {
    const failure = await run_case(one, hub.url, options);
    return failure && `${one.id} (${one.clause}): ${failure}`;
  };

  test("sent frame by frame", async () => {
    const failures = [];
    const left = table.values();
    const work = async () => {
      for (const one of left) failures.push(await failure_of(one));
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, work));
    assert.deepEqual(failures.filter(Boolean), []);
  });

  // All of them at once, a byte each in turn: the hub has dealt with one byte before the next comes, without a wait.
  test("sent byte by byte", async () => {
    const failures = [];
    let waiting = [];
    let walking = table.length;
    const turn = () => new Promise((resolve) => waiting.push(resolve));
    for (const one of table) {
      failure_of(one, { turn })
        .then((failure) => failures.push(failure))
        .finally(() => --walking);
    }
    const barrier = await Barrier.open(hub.port);
    while (walking > 0) {
      const turns = waiting;
      waiting = [];
      turns.forEach((resolve) => resolve());
      await barrier.pass();
      await immediately(); // what has come for the others meanwhile is read as well
    }
    barrier.close();
    assert.deepEqual(failures.filter(Boolean), []);
  });
});
