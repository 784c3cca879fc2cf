// Nine words and a full stop, by callbacks and by a coroutine.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { data_of, end_of, start_example } from "./support/example.mjs";
import { start } from "./support/program.mjs";

const interval_ms = 60;
const sentence = "The quick brown fox jumps over the lazy dog.".split(" ");

describe("words", { timeout: 60_000 }, () => {
  let words;
  before(async () => (words = await start_example("words", "--interval-ms", String(interval_ms))));
  after(() => words?.stop());

  for (const path of ["/words", "/words/coroutine"]) {
    test(`${path} says nine words at its pace and ends`, async () => {
      const begun = Date.now();
      const events = await (await words.listen(path)).end();
      assert.deepEqual(data_of(events), sentence);
      assert.deepEqual(events.map(({ id }) => id), ["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
      const took = events[8].at - begun;
      assert.ok(took >= 8 * interval_ms - 1, `eight pauses took ${took} ms`);
    });

    test(`${path} goes on after the last word that a client has heard`, async () => {
      const resumed = await words.listen(path, { headers: { "Last-Event-ID": "4" } });
      assert.deepEqual(data_of(await resumed.end()), sentence.slice(4));
      // What is no id of this stream is ignored.
      for (const id of ["10", "-1", "4x", "nonsense"]) {
        const fresh = await words.listen(path, { headers: { "Last-Event-ID": id } });
        assert.equal((await fresh.first(1))[0].data, "The", id);
        await fresh.close();
      }
      // Who has heard everything is told not to come back. (WHATWG 9.2.2)
      const over = await words.fetch(path, { headers: { "Last-Event-ID": "9" } });
      assert.equal(over.status, 204);
    });

    for (const timeout of ["5000", "0"]) {
      test(`${path} says them to a client that polls with a timeout of ${timeout} ms, each once`, async () => {
        const { events } = await words.poll(path, (heard) => heard.length >= 9, { timeout });
        assert.deepEqual(data_of(events), sentence);
      });
    }
  }

  test("curl without buffering, by HTTP/1.0 as well", async () => {
    const curl = start("curl", ["-sS", "-N", "--http1.0", `${words.url}/words`]);
    assert.equal(await end_of(curl), 0, curl.stderr);
    assert.ok(curl.stdout.startsWith("id: 1\ndata: The\n\nid: 2\n"), curl.stdout);
    assert.ok(curl.stdout.endsWith("id: 9\ndata: dog.\n\n"), curl.stdout);
  });
});
