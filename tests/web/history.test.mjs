// What a hub keeps: how much, how long, for whom, and what is replayed of it, in memory and in a file that outlives it.
import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, test } from "node:test";
import { run_hub, start_hub, start_hub_on_small_disk } from "./support/hub.mjs";
import { Recorder } from "./support/recorder.mjs";
import { folder, has_sqlite, new_file, stores } from "./support/stores.mjs";
import { until, within } from "./support/until.mjs";

const data_of = (events) => events.map(({ data }) => data);
const poll = (hub, user, query) => hub.get(`/sse/subscribe/${user}?transport=poll&timeout=0&${query}`);
/// What `user` is given at once, "gap" for each gap.
const polled = async (hub, user, query) =>
  (await poll(hub, user, query)).events.map(({ event, data }) => (event === "gap" ? "gap" : data));
const everything = (hub, user, more = "") => polled(hub, user, "last_event_id=earliest" + more);
const since = (hub, user, id, more = "") => polled(hub, user, `last_event_id=${id}${more}`);

for (const [name, store] of Object.entries(stores)) {
  describe(`history in ${name}`, { timeout: 120_000 }, () => {
    const open = [];
    afterEach(() => open.splice(0).forEach((recorder) => recorder.drop()));
    const listen = async (hub, user, query, cursor) => {
      const recorder = new Recorder(user, query);
      recorder.cursor = cursor;
      open.push(recorder);
      recorder.greeting = await recorder.connect(hub.url);
      return recorder;
    };
    /// Runs `story` against a hub with `options`.
    const told = (what, options, story) =>
      test(what, async () => {
        const hub = await start_hub(...store(), ...options);
        try {
          await story(hub);
        } finally {
          open.splice(0).forEach((recorder) => recorder.drop());
          await hub.stop();
        }
      });

    told("keep=0 is for who listens now: no id, no place, no gap", [], async (hub) => {
      const alice = await listen(hub, "alice");
      const first = await hub.send("/sse/send/alice?keep=1", "first");
      for (const path of ["send/alice", "send?user=alice&user=bob", "group/al", "broadcast"]) {
        const answer = await hub.send(`/sse/${path}${path.includes("?") ? "&" : "?"}keep=0`, "live " + path);
        assert.deepEqual(answer, { id: null, streams: 1 });
      }
      await alice.has("live broadcast");
      assert.equal(alice.cursor, first.id);
      assert.equal(await hub.position(), first.id);
      const last = await hub.send("/sse/send/alice", "last");
      await alice.has("last");
      assert.deepEqual(data_of(alice.heard).length, 6);
      assert.equal(alice.cursor, last.id);
      assert.deepEqual(await everything(hub, "alice"), ["first", "last"]);
      assert.deepEqual(await since(hub, "alice", first.id), ["last"]);
    });

    told("an empty body is an event with empty data, and kept", [], async (hub) => {
      await hub.send("/sse/send/alice", "");
      await hub.send("/sse/send/alice?event=empty");
      const { events } = await poll(hub, "alice", "last_event_id=earliest");
      assert.deepEqual(events.map(({ event, data }) => [event, data]), [["message", ""], ["empty", ""]]);
    });

    told("ttl: kept no longer, and its expiry is no gap", [], async (hub) => {
      const start = await hub.position();
      await hub.send("/sse/send/alice?ttl=86400000", "long");
      const short = await hub.send("/sse/send/alice?ttl=1", "short");
      const last = await hub.send("/sse/send/alice?ttl=3000000", "last");
      assert.match(short.id, /./);
      await until("short to expire", async () => (await everything(hub, "alice")).join() === "long,last");
      assert.deepEqual(await since(hub, "alice", start), ["long", "last"]);
      assert.deepEqual(await since(hub, "alice", short.id), ["last"]);
      assert.deepEqual(await since(hub, "alice", last.id), []);
      // Live it comes at once, however short.
      const alice = await listen(hub, "alice");
      await hub.send("/sse/send/alice?ttl=1", "live");
      await alice.has("live");
    });

    told("last=N: the newest that are owed, after the filter, oldest first", [], async (hub) => {
      for (let number = 0; number < 5; ++number) {
        await hub.send("/sse/send/alice", `own ${number}`);
        await hub.send("/sse/send/bob", `bob's ${number}`);
        await hub.send("/sse/topic/room?event=note", `room ${number}`);
      }
      const group = await hub.send("/sse/group/al", "group");
      assert.deepEqual(await polled(hub, "alice", "last=3"), ["own 3", "own 4", "group"]);
      assert.deepEqual(await polled(hub, "alice", "last=3&topic=room"), ["own 4", "room 4", "group"]);
      assert.deepEqual(await polled(hub, "alice", "last=2&topic=room&event=note"), ["room 3", "room 4"]);
      assert.deepEqual((await polled(hub, "alice", "last=10000")).length, 6);
      assert.deepEqual(await polled(hub, "nobody", "last=5&topic=room"), [0, 1, 2, 3, 4].map((number) => `room ${number}`));
      assert.deepEqual(await polled(hub, "nobody", "last=5"), []);
      // A poll is answered at once, also with nothing.
      const waits = (query) => hub.get(`/sse/subscribe/alice?transport=poll&timeout=60000&${query}`);
      assert.deepEqual(data_of((await within("an answer", waits("last=1"))).events), ["group"]);
      assert.deepEqual((await within("an answer", waits("last=0"))).events, []);
      // A cursor goes before it; `earliest` is one.
      assert.deepEqual(await since(hub, "alice", group.id, "&last=3"), []);
      assert.equal((await everything(hub, "alice", "&last=1")).length, 6);

      const alice = await listen(hub, "alice", "last=2&topic=room");
      assert.deepEqual(alice.greeting, { user: "alice", resumed: true });
      await alice.has("group");
      await hub.send("/sse/topic/room", "live");
      await alice.has("live");
      assert.deepEqual(data_of(alice.heard), ["room 4", "group", "live"]);
      assert.deepEqual(alice.gaps, []);
    });

    told("the id of connected is the position before the newest N", [], async (hub) => {
      for (const data of ["one", "two", "three"]) await hub.send("/sse/send/alice", data);
      const response = await hub.fetch("/sse/subscribe/alice?last=2");
      const reader = response.body.getReader();
      let text = "";
      while (!text.includes("data: three")) text += new TextDecoder().decode((await reader.read()).value);
      await reader.cancel();
      const [, position] = /^id: (.*)$/m.exec(text);
      assert.match(text, /"resumed":true/);
      assert.deepEqual(await since(hub, "alice", position), ["two", "three"]);
    });

    told("what cannot be asked for is 400", [], async (hub) => {
      const status = async (method, path) => (await hub.fetch(path, { method })).status;
      for (const value of ["", "2", "00", "-1", "true", "0&keep=0", "%30%00"]) {
        for (const path of ["send/alice", "group/a", "broadcast", "topic/a"]) {
          assert.equal(await status("POST", `/sse/${path}?keep=${value}`), 400, value);
        }
      }
      for (const value of ["", "0", "86400001", "-1", "1.5", "1e3", "x", "1&ttl=2", "00000000001", "+1"]) {
        for (const path of ["send/alice", "group/a", "broadcast", "topic/a"]) {
          assert.equal(await status("POST", `/sse/${path}?ttl=${value}`), 400, value);
        }
      }
      for (const value of ["", "10001", "-1", "1.5", "x", "1&last=2", "99999999999999999999"]) {
        for (const transport of ["sse", "poll", "iframe"]) {
          assert.equal(await status("GET", `/sse/subscribe/alice?transport=${transport}&last=${value}`), 400, value);
          assert.equal(await status("GET", `/sse/subscribe/alice?last_event_id=earliest&last=${value}`), 400, value);
        }
      }
      for (const query of ["keep=1&ttl=1", "keep=0&ttl=86400000", "ttl=0086400000"]) {
        assert.equal(await status("POST", `/sse/send/bob?${query}`), 202, query);
      }
      for (const value of ["0", "10000", "007"]) {
        assert.equal(await status("GET", `/sse/subscribe/alice?transport=poll&timeout=0&last=${value}`), 200, value);
      }
      assert.deepEqual(await everything(hub, "alice"), []);
    });

    told("each audience keeps its newest N", ["--replay-events-per-audience", "2"], async (hub) => {
      const start = await hub.position();
      await hub.send("/sse/send/quiet", "quiet");
      await hub.send("/sse/group/q", "group");
      await hub.send("/sse/topic/room", "room");
      await hub.send("/sse/broadcast", "everybody");
      for (let number = 0; number < 50; ++number) await hub.send("/sse/send/chatty", String(number));
      assert.deepEqual(await everything(hub, "chatty"), ["everybody", "48", "49"]);
      assert.deepEqual(await since(hub, "chatty", start), ["gap", "everybody", "48", "49"]);
      assert.deepEqual(await since(hub, "quiet", start, "&topic=room"), ["quiet", "group", "room", "everybody"]);
    });

    told("who is sent much costs nobody else their history", ["--replay-events", "20"], async (hub) => {
      const start = await hub.position();
      for (const number of [1, 2, 3]) await hub.send("/sse/send/quiet", `quiet ${number}`);
      for (const number of [1, 2]) await hub.send("/sse/topic/room", `room ${number}`);
      for (let number = 0; number < 300; ++number) await hub.send("/sse/send/chatty", String(number));
      const wanted = ["quiet 1", "quiet 2", "quiet 3", "room 1", "room 2"];
      await until("all of it within the limits", async () => (await everything(hub, "chatty")).length <= 15);
      assert.deepEqual(await since(hub, "quiet", start, "&topic=room"), wanted);
      const chatty = await since(hub, "chatty", start);
      assert.equal(chatty[0], "gap");
      assert.equal(chatty.at(-1), "299");
    });

    told("one event larger than all is delivered, not kept, and a gap to its own audience alone",
      ["--replay-bytes", "100000"], async (hub) => {
        const start = await hub.position();
        await hub.send("/sse/send/alice", "alice's");
        await hub.send("/sse/send/bob", "bob's");
        const bob = await listen(hub, "bob");
        const large = "x".repeat(200_000);
        assert.equal((await hub.send("/sse/send/bob", large)).streams, 1);
        await bob.has(large);
        await hub.send("/sse/send/bob", "later");
        assert.deepEqual(await since(hub, "alice", start), ["alice's"]);
        assert.deepEqual(await since(hub, "bob", start), ["gap", "bob's", "later"]);
      });

    told("a hub that keeps nothing gives ids and tells of the gap", ["--replay-events", "0"], async (hub) => {
      const start = await hub.position();
      const { id } = await hub.send("/sse/send/alice", "x");
      assert.match(id, /./);
      assert.deepEqual((await hub.send("/sse/send/alice?keep=0", "y")).id, null);
      assert.deepEqual(await polled(hub, "alice", "last=5"), []);
      assert.deepEqual(await since(hub, "alice", start), ["gap"]);
      assert.deepEqual(await since(hub, "alice", id), []);
    });

    told("events that nobody has in common arrive in the order of their ids, whoever sends", ["--threads", "2"],
      async (hub) => {
        const alice = await listen(hub, "alice", "topic=room");
        const sent = [];
        const publish = async (publisher) => {
          for (let number = 0; number < 40; ++number) {
            const keep = number % 4 === 3 ? "?keep=0" : "";
            const path = ["send/alice", "topic/room", "group/al", "broadcast"][(publisher + number) % 4];
            const { id } = await hub.send(`/sse/${path}${keep}`, `${publisher}/${number}`);
            sent.push({ id, data: `${publisher}/${number}` });
          }
        };
        await Promise.all(Array.from({ length: 16 }, (_, publisher) => publish(publisher)));
        await hub.send("/sse/broadcast", "end");
        await alice.has("end");
        alice.heard.pop();
        const number_of = ({ id }) => Number(id.slice(id.lastIndexOf("-") + 1));
        const kept = (events) => events.filter(({ id }) => id);
        const in_order = kept(sent).sort((a, b) => number_of(a) - number_of(b));
        // A parser repeats the last id for an event that has none.
        const unkept = new Set(sent.filter(({ id }) => id === null).map(({ data }) => data));
        assert.deepEqual(alice.heard.filter(({ data }) => !unkept.has(data)), in_order);
        assert.deepEqual(new Set(data_of(alice.heard)), new Set(data_of(sent)));
        assert.equal(alice.heard.length, sent.length);
        const replayed = await everything(hub, "alice", "&topic=room");
        assert.deepEqual(replayed.slice(0, -1), data_of(in_order));
      });
  });
}

describe("--history", { timeout: 200_000 }, () => {
  const refused = async (status, why, ...options) => {
    const hub = run_hub(...options);
    assert.equal(await within("the end", hub.exit), status, hub.stderr);
    assert.match(hub.stderr, /^hub: [^\n]+\n$/);
    assert.match(hub.stderr, why);
    assert.equal(hub.stdout, "");
  };

  if (!has_sqlite) {
    test("is refused where SQLite is not built in", () => refused(2, /without SQLite/, "--history", new_file()));
    return;
  }

  for (const sync of ["full", "normal"]) {
    test(`after SIGKILL the same epoch goes on, and topics and ttl hold, ${sync}`, async () => {
      const options = ["--history", new_file(), "--history-sync", sync];
      const number_of = ({ id }) => Number(id.slice(id.lastIndexOf("-") + 1));
      let hub = await start_hub(...options);
      const start = await hub.position();
      const own = [];
      const room = [];
      let short, last;
      for (let round = 0; round < 5; ++round) {
        const sends = [];
        for (let number = 0; number < 20; ++number) {
          sends.push(hub.send("/sse/send/alice", `${round}/${number}`).then(({ id }) => own.push({ id, data: `${round}/${number}` })));
        }
        await Promise.all(sends);
        room.push(`room ${round}`);
        await hub.send("/sse/topic/room?ttl=3600000", `room ${round}`);
        short = await hub.send("/sse/send/alice?ttl=1", "short");
        last = await hub.position();
        await hub.kill();
        hub = await start_hub(...options);
        // It may be beyond: numbers that may have been given out before are not given out again.
        assert.ok(number_of({ id: await hub.position() }) >= number_of({ id: last }), "the position goes back");
        assert.deepEqual(await since(hub, "alice", last), []);
      }
      const epoch = (id) => id.slice(0, id.lastIndexOf("-"));
      assert.deepEqual(new Set(own.map(({ id }) => epoch(id))), new Set([epoch(start)]));
      assert.equal(new Set(own.map(({ id }) => id)).size, own.length);
      const in_order = data_of(own.sort((a, b) => number_of(a) - number_of(b)));
      await until("short to expire", async () => !(await everything(hub, "alice")).includes("short"));
      assert.deepEqual(await since(hub, "alice", start), in_order);
      assert.deepEqual(await since(hub, "alice", short.id), []);
      assert.deepEqual(await since(hub, "bob", start, "&topic=room"), room);
      assert.deepEqual(await polled(hub, "bob", "topic=room&last=2"), room.slice(-2));
      const next = await hub.send("/sse/send/alice", "next");
      assert.ok(number_of(next) > number_of({ id: last }));
      assert.deepEqual(await since(hub, "alice", last), ["next"]);
      await hub.stop();
      hub = await start_hub(...options);
      assert.deepEqual(await since(hub, "alice", last), ["next"]);
      await hub.stop();
    });
  }

  test("a stream over a hub that is killed again and again loses nothing and hears nothing twice", async () => {
    const options = ["--history", new_file(), "--history-sync", "normal"];
    const alice = new Recorder("alice", "topic=room");
    const wanted = [];
    let hub;
    for (let round = 0; round < 10; ++round) {
      hub = await start_hub(...options);
      await alice.connect(hub.url);
      const paths = ["/sse/send/alice", "/sse/topic/room", "/sse/broadcast"];
      for (let number = 0; number < 20; ++number) {
        const data = `${round}/${number}`;
        await hub.send(paths[number % 3], data);
        wanted.push(data);
      }
      await hub.kill();
      await alice.over;
    }
    hub = await start_hub(...options);
    await alice.connect(hub.url);
    await alice.has(wanted.at(-1));
    assert.deepEqual(data_of(alice.heard), wanted);
    assert.deepEqual(alice.gaps, []);
    alice.drop();
    await hub.stop();
  });

  test("a file that cannot be used is refused in a line and left as it is", async () => {
    const text = new_file();
    writeFileSync(text, "this is no database\n".repeat(100));
    await refused(1, /./, "--history", text);
    assert.equal(readFileSync(text, "utf8"), "this is no database\n".repeat(100));
    await refused(1, /./, "--history", join(folder, "no such folder", "a.db"));
    await refused(1, /./, "--history", folder);

    const file = new_file();
    const hub = await start_hub("--history", file);
    await hub.send("/sse/send/alice", "kept");
    await refused(1, /use/, "--history", file);
    assert.deepEqual(await everything(hub, "alice"), ["kept"]);
    await hub.stop();

    // Of a version that is not known yet: `user_version`, at byte 60.
    const newer = readFileSync(file);
    newer.writeUInt32BE(newer.readUInt32BE(60) + 1000, 60);
    writeFileSync(file, newer);
    await refused(1, /newer|version/, "--history", file);
    assert.deepEqual(readFileSync(file), newer);
  });

  test("options that do not fit are refused", async () => {
    await refused(2, /--history: "" is no file/, "--history", "");
    await refused(2, /--history-sync needs --history/, "--history-sync", "full");
    await refused(2, /"fast" is neither full nor normal/, "--history", new_file(), "--history-sync", "fast");
    const file = new_file();
    await refused(2, /durable/, "--history", file, "--redis", "redis://127.0.0.1:1");
    assert.throws(() => statSync(file));
    await refused(2, /per-audience: "x"/, "--replay-events-per-audience", "x");
  });

  for (const sync of ["full", "normal"]) {
    test(`on a full disk a send is 503, what is not kept goes on, and all is well again later, ${sync}`, async () => {
      const file = new_file();
      let hub = await start_hub_on_small_disk(2_000, "--history", file, "--history-sync", sync);
      const health = async () => (await (await hub.fetch("/healthz")).text()).trim();
      const alice = new Recorder("alice", "topic=room");
      await alice.connect(hub.url);
      assert.equal(await health(), "ok");
      const taken = [];
      let refusal;
      for (let number = 0; !refusal; ++number) {
        assert.ok(number < 1000, "the disk is never full");
        const data = `${number} `.padEnd(4_000, "x");
        const response = await hub.fetch("/sse/send/alice", { method: "POST", body: data });
        const json = await response.json();
        if (response.status === 202) taken.push(data);
        else refusal = { status: response.status, after: response.headers.get("retry-after"), json };
      }
      assert.equal(refusal.status, 503);
      assert.match(refusal.after, /^\d+$/);
      assert.doesNotMatch(refusal.json.error, new RegExp(folder));
      assert.ok(taken.length > 10);
      const says = await until("the hub to be degraded", async () => (await health()) !== "ok" && health());
      assert.match(says, /^degraded: ./);
      assert.ok(!says.includes(folder), says);
      assert.deepEqual(await hub.send("/sse/send/alice?keep=0", "live"), { id: null, streams: 1 });
      await alice.has("live");
      const { last_event_id: resumed } = await poll(hub, "alice", "last_event_id=earliest");
      assert.match(resumed, /./);

      hub.grow();
      await until("a send to be taken again", async () => {
        const { status } = await hub.post("/sse/topic/room", "again");
        return status === 202;
      });
      await until("the hub to be well again", async () => (await health()) === "ok");
      await alice.has("again");
      // What was refused may come yet, once.
      const heard = data_of(alice.heard).filter((data) => data !== "live" && data !== "again");
      assert.deepEqual(heard.filter((data) => taken.includes(data)), taken);
      assert.equal(new Set(heard).size, heard.length);
      assert.deepEqual(alice.gaps, []);
      alice.drop();
      await hub.kill();
      hub = await start_hub("--history", file, "--history-sync", sync);
      const kept = [];
      for (let id = "earliest"; ; ) {
        const answer = await poll(hub, "alice", `last_event_id=${id}`);
        if (answer.events.length === 0) break;
        kept.push(...data_of(answer.events));
        id = answer.last_event_id;
      }
      assert.deepEqual(kept, heard);
      await hub.stop();
    });
  }
});
