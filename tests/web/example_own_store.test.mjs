// A store of one's own that keeps history in a file.
import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { data_of, end_of, start_example } from "./support/example.mjs";
import { start } from "./support/program.mjs";
import { until } from "./support/until.mjs";

describe("own_store", { timeout: 60_000 }, () => {
  let folder;
  let file;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "spate-test-"));
    file = join(folder, "history");
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const run = () => start_example("own_store", "--file", file);
  const send = async (store, path, text) => (await store.post(202, path, text)).id;
  /// What a client that has `cursor` gets of the events sent to `path`, up to `last`.
  const replayed = async (store, path, cursor, last) => {
    const listener = await store.listen(path, { headers: { "Last-Event-ID": cursor } });
    const heard = await until(`the event ${last}`, () => data_of(listener.events).includes(last) && listener.events);
    await listener.close();
    return heard;
  };

  test("a client resumes after a stop, and after a kill", async () => {
    let store = await run();
    const live = await store.listen("/events/alice");
    const first = await send(store, "/send/alice", "first");
    assert.deepEqual(data_of(await live.first(1)), ["first"]);
    await live.close();
    const second = await send(store, "/send/alice", 'two lines\nwith a "quote" and a \\');
    await send(store, "/send/bob", "for bob");
    await store.stop();

    store = await run();
    const third = await send(store, "/send/alice", "third");
    const events = await replayed(store, "/events/alice", first, "third");
    assert.deepEqual(events.map(({ id, data }) => [id, data]), [[second, 'two lines\nwith a "quote" and a \\'], [third, "third"]]);
    assert.equal(await store.program.stop("SIGKILL"), "SIGKILL");

    store = await run();
    const fourth = await send(store, "/send/alice", "fourth");
    assert.deepEqual((await replayed(store, "/events/alice", second, "fourth")).map(({ id }) => id), [third, fourth]);
    await store.stop();
  });

  test("topics, and a time to live that goes on while the program does not", async () => {
    let store = await run();
    await send(store, "/topic/news", "for those who listen");
    await send(store, "/topic/weather", "for others");
    await send(store, "/topic/news?ttl=1", "soon gone");
    await send(store, "/send/alice?ttl=60000", "kept for a minute");
    await store.stop();
    store = await run();
    await send(store, "/topic/news", "last");
    const heard = await replayed(store, "/events/alice?topic=news", "earliest", "last");
    assert.deepEqual(data_of(heard), ["for those who listen", "kept for a minute", "last"]);
    const { error } = await store.post(400, "/send/alice?ttl=0", "no");
    assert.match(error, /"0"/);
    await store.json(400, "/events/alice?topic=");
    await store.stop();
  });

  test("an entry that was cut off is dropped, and its number given to the next", async () => {
    let store = await run();
    const first = await send(store, "/send/alice", "first");
    await store.stop();
    const whole = readFileSync(file, "utf8");
    await (store = await run()).stop();
    assert.equal(readFileSync(file, "utf8"), whole);
    store = await run();
    const second = await send(store, "/send/alice", "second");
    await store.stop();
    const entry = readFileSync(file, "utf8").slice(whole.length);
    for (let length = 0; length < entry.length; ++length) {
      writeFileSync(file, whole + entry.slice(0, length));
      store = await run();
      assert.equal(readFileSync(file, "utf8"), whole, `cut after ${length} bytes`);
      if (length % 16 === 0) {
        assert.equal(await send(store, "/send/alice", "second"), second);
        assert.equal((await replayed(store, "/events/alice", first, "second")).length, 1);
      }
      await store.stop();
    }
  });

  test("a file of somebody else's, or a damaged one, is refused and left as it is", async () => {
    const refused = async () => {
      const before = readFileSync(file, "utf8");
      const program = start(join(process.env.EXAMPLES, "own_store"), ["--port", "0", "--file", file]);
      assert.equal(await end_of(program), 1);
      assert.match(program.stderr, /^own_store: .+\n$/);
      assert.equal(program.stdout, "");
      assert.equal(readFileSync(file, "utf8"), before);
    };
    writeFileSync(file, "");
    await refused();
    writeFileSync(file, "my letters\n");
    await refused();
    rmSync(file);
    const store = await run();
    await send(store, "/send/alice", "first");
    await store.stop();
    const whole = readFileSync(file, "utf8");
    appendFileSync(file, "2 0 0 1 \"alice\" \"no event\"\n" + whole.split("\n").slice(1).join("\n"));
    await refused();
    writeFileSync(file, whole + "two 0 0 1\n" + whole.split("\n").slice(1).join("\n"));
    await refused();
  });
});
