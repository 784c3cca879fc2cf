// GET /sse/position: a page renders a state and listens from there, and misses nothing and hears nothing twice.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { start_hub } from "./support/hub.mjs";
import { Recorder } from "./support/recorder.mjs";

const data_of = (events) => events.map(({ data }) => data);

describe("the position", { timeout: 60_000 }, () => {
  /// Runs `story` against a hub with `options`.
  const told = (what, options, story) =>
    test(what, async () => {
      const hub = await start_hub(...options);
      try {
        await story(hub);
      } finally {
        await hub.stop();
      }
    });
  /// What alice is given at once who begins at `id`, and whether all is there.
  const since = async (hub, id) => {
    const asked = `/sse/subscribe/alice?transport=poll&timeout=0&last_event_id=${encodeURIComponent(id)}`;
    const { events } = await hub.get(asked);
    return events.map(({ event, data }) => (event === "gap" ? "gap" : data));
  };

  told("whoever begins there hears what is sent from then on, and nothing else", [], async (hub) => {
    const before_all = await hub.position();
    assert.match(before_all, /./);
    assert.deepEqual(await since(hub, before_all), []);
    await hub.send("/sse/send/alice", "first");
    const { id } = await hub.send("/sse/broadcast", "second");
    assert.equal(await hub.position(), id);
    await hub.send("/sse/send/bob", "not for alice");
    const rendered = await hub.position();
    await hub.send("/sse/group/al", "third");
    await hub.send("/sse/send/alice?event=note", "fourth");
    assert.deepEqual(await since(hub, rendered), ["third", "fourth"]);
    assert.deepEqual(await since(hub, before_all), ["first", "second", "third", "fourth"]);

    // A stream goes on with what comes.
    const alice = new Recorder("alice");
    alice.cursor = rendered;
    try {
      assert.deepEqual(await alice.connect(hub.url), { user: "alice", resumed: true });
      await hub.send("/sse/send/alice", "fifth");
      await alice.has("fifth");
      assert.deepEqual(data_of(alice.heard), ["third", "fourth", "fifth"]);
      assert.equal(await hub.position(), alice.cursor);
      assert.deepEqual(alice.gaps, []);
    } finally {
      alice.drop();
    }
  });

  told("a hub that keeps nothing has one as well, and tells of the gap", ["--replay-events", "0"], async (hub) => {
    const rendered = await hub.position();
    assert.match(rendered, /./);
    assert.deepEqual(await since(hub, rendered), []);
    const { id } = await hub.send("/sse/send/alice", "first");
    assert.equal(await hub.position(), id);
    assert.deepEqual(await since(hub, rendered), ["gap"]);
  });

  const origin = "https://app.example.org";
  told("HEAD, other methods and listed origins are answered as on other routes", ["--allow-origin", origin], async (hub) => {
    const ask = (method, headers = {}) => fetch(`${hub.url}/sse/position`, { method, headers });
    const got = await ask("GET", { Origin: origin });
    const { "access-control-allow-origin": allowed, ...fields } = Object.fromEntries(got.headers);
    assert.equal(allowed, origin);
    assert.equal(fields["content-type"], "application/json");
    assert.equal(fields["cache-control"], "no-store");
    assert.deepEqual(await got.json(), { id: await hub.position() });
    const head = await ask("HEAD");
    assert.equal(head.status, 200);
    assert.equal(head.headers.get("content-length"), fields["content-length"]);
    assert.equal((await ask("GET", { Origin: "https://other.example.org" })).status, 403);
    assert.equal((await ask("POST")).headers.get("allow"), "GET, HEAD, OPTIONS");
  });
});
