// A UUID again and again, for whoever listens.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { data_of, start_example } from "./support/example.mjs";
import { until } from "./support/until.mjs";

const interval_ms = 30;
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe("ticker", { timeout: 60_000 }, () => {
  test("everybody hears the same UUIDs, and the timer rests while nobody listens", async () => {
    const ticker = await start_example("ticker", "--interval-ms", String(interval_ms));
    const notes = () => ticker.program.stderr.match(/ticking|resting/g) ?? [];

    const first = await ticker.listen("/ticker");
    await first.first(3);
    const second = await ticker.listen("/ticker");
    const heard = data_of(await second.first(5));
    assert.equal(new Set(heard).size, 5);
    for (const text of heard) assert.match(text, uuid);
    await until("the first to hear them too", () => first.events.some(({ data }) => data === heard[4]));
    const all = data_of(first.events);
    assert.deepEqual(all.slice(all.indexOf(heard[0]), all.indexOf(heard[0]) + 5), heard);

    // One goes: it ticks on for the other. Both are gone: it rests.
    await first.close();
    await second.first(second.events.length + 2);
    assert.deepEqual(notes(), ["ticking"]);
    const last_id = second.events.at(-1).id;
    await second.close();
    await until("rest", () => notes().length === 2);
    assert.deepEqual(notes(), ["ticking", "resting"]);
    await pause(5 * interval_ms);

    // Whoever comes back is told what was missed, and that is next to nothing, because nothing was made meanwhile.
    const third = await ticker.listen("/ticker", { headers: { "Last-Event-ID": last_id } });
    await third.first(2);
    const number = (id) => Number(id.slice(id.lastIndexOf("-") + 1));
    assert.ok(number(third.events[0].id) === number(last_id) + 1, `${third.events[0].id} after ${last_id}`);
    assert.ok(number(third.events[1].id) <= number(last_id) + 3);
    assert.deepEqual(notes(), ["ticking", "resting", "ticking"]);
    await third.close();
    await ticker.stop();
  });

  test("a client that polls hears every one of them", async () => {
    const ticker = await start_example("ticker", "--interval-ms", String(interval_ms));
    const { events } = await ticker.poll("/ticker", (heard) => heard.length >= 10);
    const numbers = events.map(({ id }) => Number(id.slice(id.lastIndexOf("-") + 1)));
    assert.deepEqual(numbers, numbers.map((_, index) => numbers[0] + index));
    // Between two polls it was somebody who listens all the same.
    assert.equal(ticker.program.stderr, "somebody listens: ticking\n");
    await ticker.stop();
  });

  test("an interval of zero is refused", async () => {
    await assert.rejects(start_example("ticker", "--interval-ms", "0"), /ended with 2: ticker: .*"0"/);
  });
});
