// Topics at the hub: who listens, joins, leaves and sends, what is refused, and what a token has to say.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { start_hub } from "./support/hub.mjs";
import { seconds, token } from "./support/jwt.mjs";
import { Recorder } from "./support/recorder.mjs";
import { stores } from "./support/stores.mjs";
import { until } from "./support/until.mjs";

const data_of = (events) => events.map(({ data }) => data);
const recorders = [];
/// A stream of `user` that is open.
async function listen(hub, user, query = "", cursor = undefined) {
  const recorder = new Recorder(user, query);
  recorder.cursor = cursor;
  recorders.push(recorder);
  recorder.greeting = await recorder.connect(hub.url);
  return recorder;
}
const drop_all = () => recorders.splice(0).forEach((each) => each.drop());
/// What alice is given at once.
const polled = async (hub, query) =>
  data_of((await hub.get(`/sse/subscribe/alice?transport=poll&timeout=0&${query}`)).events);

for (const [name, store] of Object.entries(stores)) {
  describe(`topics, history in ${name}`, { timeout: 120_000 }, () => {
    let hub;
    before(async () => (hub = await start_hub(...store())));
    after(() => hub?.stop());
    afterEach(async () => {
      drop_all();
      await until("nobody online", async () => (await hub.count()).streams === 0);
    });
    const status = async (method, path, body) => (await hub.fetch(path, { method, body })).status;

    test("who named a topic hears what it is sent, and nobody else does", async () => {
      const alice = await listen(hub, "alice", "topic=a&topic=b");
      const bob = await listen(hub, "bob", "topic=b");
      const carol = await listen(hub, "carol");
      assert.equal((await hub.send("/sse/topic/a", "to a")).streams, 1);
      assert.equal((await hub.send("/sse/topic/b", "to b")).streams, 2);
      const nobody = await hub.send("/sse/topic/nobody", "to nobody");
      assert.equal(nobody.streams, 0);
      assert.match(nobody.id, /./);
      const last = await hub.send("/sse/broadcast", "end");
      for (const each of [alice, bob, carol]) await each.has("end");
      assert.deepEqual(data_of(alice.heard), ["to a", "to b", "end"]);
      assert.deepEqual(data_of(bob.heard), ["to b", "end"]);
      assert.deepEqual(data_of(carol.heard), ["end"]);
      assert.equal(alice.cursor, last.id);
      assert.deepEqual(await hub.get("/sse/users?topic=b"), ["alice", "bob"]);
      assert.deepEqual(await hub.get("/sse/users?topic=a"), ["alice"]);
      assert.deepEqual(await hub.get("/sse/users?topic=nobody"), []);
      assert.deepEqual(await hub.users(), ["alice", "bob", "carol"]);
    });

    test("a stream joins a thousand topics and a few, and then no more", async () => {
      const alice = await listen(hub, "alice", "topic=a");
      const names = Array.from({ length: 1023 }, (_, i) => "t" + i);
      for (let at = 0; at < names.length; at += 500) {
        const join = names.slice(at, at + 500).map((name) => "join=" + name);
        assert.equal(await status("POST", "/sse/topics/alice?" + join.join("&")), 200);
      }
      assert.equal(await status("POST", "/sse/topics/alice?join=t0"), 200);  // which she has joined
      assert.equal(await status("POST", "/sse/topics/alice?join=b"), 409);
      assert.equal((await hub.send("/sse/topic/b", "to b")).streams, 0);
      assert.equal(await status("POST", "/sse/topics/alice?leave=t1"), 200);
      assert.equal(await status("POST", "/sse/topics/alice?join=b"), 200);
      await hub.send("/sse/topic/b", "to b");
      await alice.has("to b");
    });

    test("names are like those of users: any text, percent-decoded, bytes compared", async () => {
      for (const name of ["room 7", "a/b", "zo\u00eb", "%", "?&=#+", "x".repeat(256), "a,b"]) {
        const alice = await listen(hub, "alice", new URLSearchParams({ topic: name }).toString());
        assert.equal((await hub.send("/sse/topic/" + encodeURIComponent(name), name)).streams, 1, name);
        await alice.has(name);
        assert.deepEqual(await hub.get("/sse/users?topic=" + encodeURIComponent(name)), ["alice"]);
        alice.drop();
        await until("alice to be gone", async () => (await hub.count()).streams === 0);
        assert.deepEqual(await hub.get("/sse/users?topic=" + encodeURIComponent(name)), []);
      }
      const alice = await listen(hub, "alice", "topic=zo%C3%AB");
      assert.equal((await hub.send("/sse/topic/zoe%CC%88", "another normal form")).streams, 0);
      assert.equal((await hub.send("/sse/topic/Zo%C3%AB", "a capital")).streams, 0);
      assert.equal((await hub.send("/sse/topic/zo%C3%AB", "end")).streams, 1);
      await alice.has("end");
    });

    test("filters, names and times of reconnection are as with every send", async () => {
      const alice = await listen(hub, "alice", "topic=a&event=note");
      assert.equal((await hub.send("/sse/topic/a?event=other", "other")).streams, 0);
      assert.equal((await hub.send("/sse/topic/a", "unnamed")).streams, 0);
      assert.equal((await hub.send("/sse/topic/a?event=note&retry=5", "note")).streams, 1);
      await alice.has("note");
      assert.deepEqual(data_of(alice.heard), ["note"]);
    });

    test("a stream that comes to an event by several ways gets it once", async () => {
      const alice = await listen(hub, "alice", "topic=a&topic=a&topic=b");
      assert.equal((await hub.send("/sse/topic/a", "one")).streams, 1);
      await hub.post("/sse/topics/alice?join=a");
      assert.equal((await hub.send("/sse/topic/a", "two")).streams, 1);
      await hub.send("/sse/send/alice", "end");
      await alice.has("end");
      assert.deepEqual(data_of(alice.heard), ["one", "two", "end"]);
    });

    test("what topics were sent after the cursor is replayed in one order with the rest", async () => {
      const start = await hub.position();
      for (const path of ["topic/a", "send/alice", "topic/b", "group/al", "topic/c", "broadcast", "send/bob", "topic/a"]) {
        await hub.send("/sse/" + path, path);
      }
      const after = `last_event_id=${start}`;
      const own = ["send/alice", "group/al", "broadcast"];
      assert.deepEqual(await polled(hub, after), own);
      assert.deepEqual(await polled(hub, after + "&topic=a"), ["topic/a", ...own, "topic/a"]);
      const both = await listen(hub, "alice", "topic=c&topic=b", start);
      assert.deepEqual(both.greeting, { user: "alice", resumed: true });
      await hub.send("/sse/topic/b", "live");
      await both.has("live");
      assert.deepEqual(data_of(both.heard), ["send/alice", "topic/b", "group/al", "topic/c", "broadcast", "live"]);
      assert.deepEqual(both.gaps, []);
      const frame = await (await hub.fetch(`/sse/subscribe/alice?transport=poll&timeout=0&${after}&topic=c`)).json();
      assert.deepEqual(data_of(frame.events), ["send/alice", "group/al", "topic/c", "broadcast"]);
    });

    test("a user joins and leaves with all streams that are open, polls as well", async () => {
      assert.deepEqual((await hub.post("/sse/topics/alice?join=a")).json, { streams: 0 });
      const [first, second] = [await listen(hub, "alice"), await listen(hub, "alice", "topic=b")];
      const poll = hub.get("/sse/subscribe/alice?transport=poll&timeout=10000");
      await until("the poll", async () => (await hub.count()).streams === 3);
      // Who was not there when it was joined has not joined, and joining replays nothing.
      assert.equal((await hub.send("/sse/topic/a", "before")).streams, 0);
      const joined = await hub.post("/sse/topics/alice?join=a&join=c&leave=b");
      assert.deepEqual(joined, { status: 200, json: { streams: 3 } });
      assert.equal((await hub.send("/sse/topic/b", "left")).streams, 0);
      assert.equal((await hub.send("/sse/topic/a", "to a")).streams, 3);
      assert.deepEqual(data_of((await poll).events), ["to a"]);
      assert.deepEqual((await hub.post("/sse/topics/alice?leave=a&leave=never")).json, { streams: 3 });
      assert.equal((await hub.send("/sse/topic/a", "left, too")).streams, 0);
      assert.equal((await hub.send("/sse/topic/c", "to c")).streams, 3);
      for (const each of [first, second]) {
        await each.has("to c");
        assert.deepEqual(data_of(each.heard), ["to a", "to c"]);
      }
      await hub.post("/sse/close/alice"); // ends the grace of the poll
    });

    test("who comes back names the topics again", async () => {
      const alice = await listen(hub, "alice");
      await hub.post("/sse/topics/alice?join=a");
      await hub.send("/sse/topic/a", "joined");
      await alice.has("joined");
      alice.drop();
      await hub.send("/sse/topic/a", "away");
      const again = await listen(hub, "alice", "topic=a", alice.cursor);
      await again.has("away");
      again.drop();
      await hub.send("/sse/topic/a", "away again");
      const without = await listen(hub, "alice", "", again.cursor);
      await hub.send("/sse/send/alice", "end");
      await without.has("end");
      assert.deepEqual(data_of(without.heard), ["end"]);
    });

    test("what cannot be is 400, and names a hub keeps for itself can only be listened to", async () => {
      const bad = ["", "%FF", "%00", "%0A", "x".repeat(257), "%C2%85"];
      for (const name of bad) {
        assert.equal(await status("GET", `/sse/subscribe/alice?topic=${name}&timeout=0&transport=poll`), 400, name);
        assert.equal(await status("GET", `/sse/subscribe/alice?topic=fine&topic=${name}`), 400, name);
        assert.equal(await status("POST", `/sse/topics/alice?join=${name}`), 400, name);
        assert.equal(await status("POST", `/sse/topics/alice?join=fine&leave=${name}`), 400, name);
        assert.equal(await status("GET", `/sse/users?topic=${name}`), 400, name);
        if (name !== "") assert.equal(await status("POST", `/sse/topic/${name}`, "x"), 400, name);
        assert.equal(await status("POST", `/sse/topics/${name}?join=a`), name === "" ? 404 : 400, name);
      }
      assert.equal(await status("POST", "/sse/topic/", "x"), 404);
      assert.equal(await status("POST", "/sse/topic", "x"), 404);
      assert.equal(await status("POST", "/sse/topics/alice"), 400);
      assert.equal(await status("POST", "/sse/topics/alice?join=a&leave=a"), 400);
      assert.equal(await status("GET", "/sse/users?topic=a&topic=b"), 400);
      assert.equal(await status("GET", "/sse/users?topic=a&scope=cluster"), 400);
      assert.equal(await status("GET", "/sse/topics/alice?join=a"), 405);
      assert.equal(await status("GET", "/sse/topic/a"), 405);
      for (const name of ["%24", "%24presence", "$presence", "$anything"]) {
        assert.equal(await status("POST", `/sse/topic/${name}`, "x"), 400, name);
        assert.equal(await status("GET", `/sse/subscribe/alice?transport=poll&timeout=0&topic=${name}`), 200, name);
        assert.equal(await status("POST", `/sse/topics/alice?join=${name}`), 200, name);
      }
      // As many as a stream may have.
      const many = (count) => Array.from({ length: count }, (_, index) => `topic=${index}`).join("&");
      assert.equal(await status("GET", "/sse/subscribe/alice?transport=poll&timeout=0&" + many(256)), 200);
      assert.equal(await status("GET", "/sse/subscribe/alice?transport=poll&timeout=0&" + many(257)), 400);
      await hub.post("/sse/close/alice");
    });

    test("scope=cluster is this hub where there is no other", async () => {
      const alice = await listen(hub, "alice");
      assert.deepEqual((await hub.post("/sse/topics/alice?join=a&scope=cluster")).json, { streams: 1 });
      assert.equal((await hub.send("/sse/topic/a", "x")).streams, 1);
      await alice.has("x");
      assert.deepEqual((await hub.post("/sse/close/alice?scope=cluster")).json, { closed: 1 });
      await alice.over;
      assert.deepEqual(alice.closings, [{ reason: "closed" }]);
      assert.deepEqual((await hub.post("/sse/close/alice?scope=cluster")).json, { closed: 0 });
    });
  });
}

describe("topics and tokens", { timeout: 60_000 }, () => {
  afterEach(drop_all);

  test("sending, joining and leaving take the publish token where one is set", async () => {
    const hub = await start_hub("--publish-token", "publisher");
    const bearer = { Authorization: "Bearer publisher" };
    for (const path of ["/sse/topic/a", "/sse/topics/alice?join=a", "/sse/topic/%24x", "/sse/topics/alice"]) {
      assert.equal((await hub.post(path)).status, 401, path);
      assert.equal((await hub.post(path, "", { Authorization: "Bearer other" })).status, 401, path);
    }
    assert.equal((await hub.post("/sse/topic/a", "x", bearer)).status, 202);
    assert.equal((await hub.post("/sse/topics/alice?join=a", "", bearer)).status, 200);
    assert.deepEqual(await hub.get("/sse/users?topic=a"), []); // reading takes none
    await hub.stop();
  });

  test("a subscriber's token says which topics it allows", async () => {
    const secret = "a secret of more than 32 bytes, for tests";
    const hub = await start_hub("--subscribe-secret", secret, "--publish-token", "publisher");
    const status = async (topics, query, method = "GET", transport = "poll") => {
      const claims = { sub: "alice", exp: seconds(600), ...(topics && { topics }) };
      const path = `/sse/subscribe/alice?transport=${transport}&timeout=0&token=${token(secret, claims)}${query}`;
      return (await hub.fetch(path, { method })).status;
    };
    for (const method of ["GET", "HEAD"]) {
      assert.equal(await status(undefined, "", method), 200);
      assert.equal(await status(undefined, "&topic=a", method), 403);
      assert.equal(await status([], "&topic=a", method), 403);
      assert.equal(await status(["a", "room-*"], "&topic=a&topic=room-7", method), 200);
      assert.equal(await status(["a", "room-*"], "&topic=a&topic=b", method), 403);
      assert.equal(await status(["*"], "&topic=a&topic=anything", method), 200);
      assert.equal(await status(["*"], "&topic=%24presence", method), 403);
      assert.equal(await status(["$presence"], "&topic=%24presence", method), 200);
    }
    for (const transport of ["sse", "iframe"]) {
      assert.equal(await status(["a"], "&topic=b", "HEAD", transport), 403);
      assert.equal(await status(["a"], "&topic=a", "HEAD", transport), 200);
    }
    assert.equal(await status("a", "&topic=a"), 403);
    assert.equal((await hub.fetch("/sse/users?topic=a")).status, 401);
    await hub.stop();
  });
});
