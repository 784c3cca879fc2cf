// This process's memory, as the system has it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { start_example } from "./support/example.mjs";
import { until } from "./support/until.mjs";

const MIB = 1024 * 1024;

describe("memory_monitor", { timeout: 60_000 }, () => {
  test("its numbers are the system's, and move when memory is taken and given back", async () => {
    const monitor = await start_example("memory_monitor", "--interval-ms", "50");
    const listener = await monitor.listen("/memory");
    await listener.first(2);
    const newest = () => JSON.parse(listener.events.at(-1).data);
    for (const { event, id, data } of listener.events) {
      assert.equal(event, "memory");
      assert.match(id, /^\S+-\d+$/);
      assert.deepEqual(Object.keys(JSON.parse(data)), ["rss", "peak", "heap", "time"]);
    }
    assert.equal(listener.retries[0], 1000);
    const before = newest();
    const status = readFileSync(`/proc/${monitor.program.pid}/status`, "utf8");
    const system = 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)[1]);
    assert.ok(Math.abs(before.rss - system) < 8 * MIB, `${before.rss} against ${system}`);
    assert.ok(before.peak >= before.rss);
    assert.ok(Math.abs(before.time - Date.now()) < 10_000);

    assert.deepEqual(await monitor.post(200, "/allocate"), { held: 64 * MIB });
    await until("more memory", () => newest().rss > before.rss + 60 * MIB);
    const during = newest();
    assert.ok(during.peak >= during.rss);
    assert.deepEqual(await monitor.post(200, "/free"), { held: 0 });
    // A sanitizer has a heap of its own, and keeps for a while what was freed.
    if (!process.env.SANITIZE) {
      assert.ok(during.heap > before.heap + 60 * MIB, `${before.heap}, then ${during.heap}`);
      await until("less memory", () => newest().rss < during.rss - 60 * MIB);
      assert.ok(newest().heap < during.heap - 60 * MIB);
      // The system counts pages for each thread and adds them up only now and then.
      assert.ok(newest().peak >= during.rss - MIB);
    }

    for (let block = 0; block < 8; ++block) await monitor.post(200, "/allocate");
    await monitor.post(409, "/allocate");
    await listener.close();

    // Who comes late gets what is kept.
    const late = await monitor.listen("/memory?last_event_id=earliest");
    assert.equal((await late.first(1))[0].id, listener.events[0].id.replace(/\d+$/, "1"));
    await late.close();
    await monitor.stop();
  });
});
