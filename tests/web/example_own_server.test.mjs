// Streams on connections that Boost.Beast accepted and parsed.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { start_example } from "./support/example.mjs";
import { start } from "./support/program.mjs";
import { until } from "./support/until.mjs";

describe("own_server", { timeout: 60_000 }, () => {
  let own;
  before(async () => (own = await start_example("own_server", "--interval-ms", "30")));

  test("the stream and the program's own work share a loop", async () => {
    const listener = await own.listen("/events");
    const found = (await listener.first(5)).map(({ data }) => JSON.parse(data));
    for (const [index, { tested, primes }] of found.entries()) {
      assert.equal(tested, found[0].tested + 1000 * index);
      if (tested === 10_001) assert.equal(primes, 1229);
    }
    const resumed = await own.listen("/events", { headers: { "Last-Event-ID": listener.events[1].id } });
    assert.deepEqual(
      (await resumed.first(3)).map(({ id }) => id),
      listener.events.slice(2, 5).map(({ id }) => id),
    );
    await listener.close();
    await resumed.close();
  });

  test("Beast serves the rest, on connections that stay its own", async () => {
    const page = await own.fetch("/");
    assert.equal(page.headers.get("content-type"), "text/html; charset=utf-8");
    assert.match(await page.text(), /Boost\.Beast/);
    assert.match(await (await own.fetch("/spate.js")).text(), /SpateEventSource/);
    assert.equal((await own.fetch("/nothing")).status, 404);
    assert.equal((await own.fetch("/events", { method: "POST" })).status, 405);
    const head = await own.fetch("/events", { method: "HEAD" });
    assert.equal(head.status, 200);
    assert.equal(head.headers.get("content-length"), null); // which GET would not have either
    // What Spate refuses is answered although Beast no longer has the connection.
    await own.json(400, "/events?transport=pigeon");
  });

  test("the other transports, by the same route", async () => {
    const { events } = await own.poll("/events", (heard) => heard.length >= 5);
    const numbers = events.map(({ data }) => JSON.parse(data).tested);
    assert.deepEqual(numbers, numbers.map((_, index) => numbers[0] + 1000 * index));
    const curl = start("curl", ["-sS", "-N", "--http1.0", `${own.url}/events?transport=iframe&callback=take`]);
    await curl.printed(/<script>parent\.take\(\{"id":"[^"]+","event":"message","data":"/);
    await curl.stop();
  });

  test("it ends its streams properly, with a time to come back", async () => {
    const listeners = await Promise.all(Array.from({ length: 10 }, () => own.listen("/events")));
    for (const listener of listeners) await listener.first(1);
    await own.stop();
    for (const listener of listeners) {
      await listener.end();
      const [retry] = listener.retries;
      assert.ok(retry >= 1000 && retry <= 5000, String(retry));
    }
  });

  after(() => until("its end", () => own.program.ended !== undefined));

  test("an address in use, and one that is none", async () => {
    const first = await start_example("own_server");
    await assert.rejects(start_example("own_server", "--port", String(first.port)), /ended with 1: own_server: .*in use/);
    await first.stop();
    await assert.rejects(start_example("own_server", "--address", "nowhere"), /ended with 2: own_server: .*"nowhere"/);
  });
});
