// SpateEventSource with `shared: true` without a browser: the tabs' messages, locks and clocks are the test's own, so
// that each can be late, and each tab can die, between any two steps.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seeded_random } from "./support/random.mjs";
import { Tabs } from "./support/tabs.mjs";

const ROUNDS = Number(process.env.ROUNDS ?? 100);
const shared = { transport: "sse", shared: true };

/// `count` tabs with a source each; the first holds the connection, which is open.
async function opened(count, url = "/sse/subscribe/alice") {
  const tabs = new Tabs();
  const list = [];
  for (let index = 0; index < count; ++index) {
    const tab = tabs.open();
    tab.alice = tab.source(url, shared);
    list.push(tab);
    await tabs.settle();
    if (index === 0) {
      await tab.request.answer();
      await tabs.settle();
    }
  }
  return { tabs, list };
}

/// A server that keeps what has an id and sends it again to those that ask for it, and serves all requests of `tabs`.
class Server {
  constructor(tabs) {
    this.tabs = tabs;
    this.kept = 0;
    this.without_id = 0;
    this.streams = new Map(); // by request: the tab
  }

  async serve() {
    for (const tab of this.tabs.all) {
      for (const request of tab.requests.splice(0)) {
        if (request.aborted) continue;
        const cursor = request.headers["Last-Event-ID"] ?? request.query.get("last_event_id");
        await request.answer();
        this.streams.set(request, tab);
        const from = cursor === null ? this.kept : Number(cursor);
        await this.write(request, `id: ${from}\n\n`);
        for (let id = from + 1; id <= this.kept; ++id) await this.write(request, `id: ${id}\ndata: ${id}\n\n`);
      }
    }
  }

  async publish(keep) {
    const text = keep ? `id: ${++this.kept}\ndata: ${this.kept}\n\n` : `data: without ${++this.without_id}\n\n`;
    for (const request of this.streams.keys()) await this.write(request, text);
  }

  async cut() {
    for (const request of this.streams.keys()) if (this.is_open_(request)) await request.cut();
    this.streams.clear();
  }

  async write(request, text) {
    if (this.is_open_(request)) await request.write(text);
  }

  is_open_(request) {
    const is_open = this.streams.has(request) && !request.aborted && !this.streams.get(request).dead;
    if (!is_open) this.streams.delete(request);
    return is_open;
  }
}

const events = (tab) => tab.alice.heard.filter((each) => Array.isArray(each)).map(([, data]) => data);

describe("SpateEventSource shared between tabs", () => {
  test("one asks the server, and all hear what comes", async () => {
    const { tabs, list } = await opened(3);
    assert.deepEqual(list.map((tab) => tab.requests.length), [1, 0, 0]);
    await list[0].request.write("id: 1\nevent: note\ndata: x\n\n: a comment\n\ndata: y\n\n");
    await tabs.settle();
    for (const { alice } of list) {
      assert.deepEqual(alice.heard, ["open", ["note", "x", "1"], ["message", "y", "1"]]);
      assert.equal(alice.readyState, 1);
    }
  });

  test("the next holder asks with the newest id and the server's `retry`, by the transport in use", async () => {
    const tabs = new Tabs();
    const list = [tabs.open(), tabs.open()];
    for (const tab of list) {
      tab.alice = tab.source("/x", { shared: true });
      await tabs.settle();
    }
    await list[0].pass(5000);
    await list[0].request.json({ events: [{ id: "7", data: "x", retry: 300 }], last_event_id: "9" });
    await tabs.settle();
    assert.deepEqual(list.map(({ alice }) => alice.transport), ["poll", "poll"]);
    const { client } = Object.fromEntries(list[0].request.query);
    tabs.crash(list[0]);
    await tabs.settle();
    const { query } = list[1].request;
    assert.deepEqual([query.get("transport"), query.get("last_event_id"), query.get("client")], ["poll", "9", client]);
    await list[1].request.json({ events: [], last_event_id: "9" });
    await list[1].request.refuse();
    assert.equal(list[1].wait, 300);
    assert.deepEqual(list[1].alice.heard, ["open", ["message", "x", "7"], "lost", "open", "lost"]);
  });

  test("what a holder that dies has told one but not the next holder is not lost, ids or none", async () => {
    const { tabs, list: [first, second, third] } = await opened(3);
    await first.request.write("id: 1\ndata: a\n\n");
    await tabs.settle();
    second.deaf = true;
    await first.request.write("data: b\n\nid: 2\ndata: c\n\ndata: d\n\n");
    await tabs.settle();
    second.forget();
    tabs.crash(first);
    second.deaf = false;
    await tabs.settle();
    assert.equal(second.request.headers["Last-Event-ID"], "2");
    await second.request.answer();
    await second.request.write("id: 3\ndata: e\n\n");
    await tabs.settle();
    for (const tab of [second, third]) assert.deepEqual(events(tab), ["a", "b", "c", "d", "e"]);
    assert.equal(third.requests.length, 0);
  });

  test("nor what it has told the next holder but not another", async () => {
    const { tabs, list: [first, second, third] } = await opened(3);
    third.deaf = true;
    await first.request.write("id: 1\ndata: a\n\ndata: b\n\n");
    await tabs.settle();
    third.forget();
    tabs.crash(first);
    third.deaf = false;
    await tabs.settle();
    assert.equal(second.request.headers["Last-Event-ID"], "1");
    await second.request.answer();
    await second.request.write("id: 2\ndata: c\n\n");
    await tabs.settle();
    for (const tab of [second, third]) assert.deepEqual(events(tab), ["a", "b", "c"]);
    assert.equal(third.requests.length, 0);
  });

  test("a tab that does not answer delays the next holder a little, and catches up by itself", async () => {
    const { tabs, list: [first, second, third] } = await opened(3);
    await first.request.write("id: 1\ndata: a\n\n");
    await tabs.settle();
    second.deaf = true;
    await first.request.write("id: 2\ndata: b\n\n");
    await tabs.settle();
    second.forget();
    third.deaf = true;
    second.deaf = false;
    tabs.crash(first);
    await tabs.settle();
    assert.equal(second.requests.length, 0);
    await tabs.pass(500);
    // What the third has heard comes to the second from the server.
    assert.equal(second.request.headers["Last-Event-ID"], "1");
    await second.request.answer();
    await second.request.write("id: 2\ndata: b\n\nid: 3\ndata: c\n\n");
    third.deaf = false;
    await tabs.settle();
    await second.request.write("id: 4\ndata: d\n\n");
    await tabs.settle();
    for (const tab of [second, third]) assert.deepEqual(events(tab), ["a", "b", "c", "d"]);
  });

  test("a holder that hangs loses the connection, and when it wakes up it neither loses nor doubles", async () => {
    const { tabs, list: [first, second, third] } = await opened(3);
    await first.request.write("id: 1\ndata: a\n\n");
    await tabs.settle();
    first.freeze();
    await tabs.pass(30_000);
    const holder = tabs.holder;
    assert.ok(holder === second || holder === third);
    assert.equal(holder.request.headers["Last-Event-ID"], "1");
    await holder.request.answer();
    await holder.request.write("id: 2\ndata: b\n\nid: 3\ndata: c\n\n");
    await tabs.settle();
    // It still has a connection, and does not know yet that it should not.
    await first.request.write("id: 2\ndata: b\n\n");
    first.thaw();
    await tabs.settle();
    assert.ok(first.requests[0].aborted);
    const own = first.request;
    assert.equal(own.headers["Last-Event-ID"], "2");
    await own.answer();
    await own.write("id: 3\ndata: c\n\n");
    await tabs.settle();
    assert.ok(own.aborted);
    await holder.request.write("id: 4\ndata: d\n\n");
    await tabs.settle();
    for (const tab of [first, second, third]) assert.deepEqual(events(tab), ["a", "b", "c", "d"]);
    // Nobody takes it from a holder that lives, however silent the server is.
    await tabs.pass(120_000);
    assert.equal(tabs.holder, holder);
    assert.equal(second.requests.length + third.requests.length, 1);
  });

  test("a holder that begins after it has lost the lock without knowing misleads nobody for long", async () => {
    const { tabs, list: [first, second, third, fourth] } = await opened(4);
    await first.request.write("id: 1\ndata: a\n\n");
    await tabs.settle();
    // The second has the lock and waits for answers when it hangs.
    second.deaf = true;
    tabs.crash(first);
    await tabs.settle();
    assert.equal(tabs.holder, second);
    second.freeze();
    await tabs.pass(30_000);
    const holder = tabs.holder;
    const [follower] = [third, fourth].filter((tab) => tab !== holder);
    assert.notEqual(holder, second);
    await holder.request.answer();
    await holder.request.write("id: 2\ndata: b\n\n");
    await tabs.settle();
    second.thaw_deaf();
    await tabs.pass(1);
    assert.equal(second.requests.length, 1, "it has not begun");
    second.deaf = false;
    await tabs.settle();
    assert.ok(second.requests[0].aborted);
    await tabs.pass(500);
    for (const tab of [second, follower]) {
      const own = tab.request;
      if (!own || own.aborted) continue;
      // What it has missed meanwhile, it asks for.
      await own.answer();
      for (let id = Number(own.headers["Last-Event-ID"]) + 1; id <= 2; ++id) await own.write(`id: ${id}\ndata: b\n\n`);
    }
    await holder.request.write("id: 3\ndata: c\n\n");
    await tabs.settle();
    for (const tab of [second, third, fourth]) {
      assert.deepEqual(events(tab), ["a", "b", "c"]);
      assert.equal(tab.alice.readyState, 1);
      assert.ok(tab.requests.every(({ aborted }) => tab === holder || aborted));
    }
  });

  test("a tab that has slept itself does not take its own silence for the holder's", async () => {
    const { tabs, list: [first, second] } = await opened(2);
    // It has asked for signs of the holder as often as it does.
    second.deaf = true;
    await tabs.pass(15_000);
    second.freeze();
    await tabs.pass(60_000);
    second.thaw_deaf();
    await tabs.pass(1);
    second.deaf = false;
    await tabs.pass(20_000);
    assert.equal(tabs.holder, first);
    assert.equal(second.requests.length, 0);
  });

  for (const missing of ["BroadcastChannel", "navigator", "ReadableStream"]) {
    test(`without ${missing} each source has a connection of its own`, async () => {
      const tabs = new Tabs();
      const list = [tabs.open({ without: [missing] }), tabs.open({ without: [missing] })];
      for (const tab of list) tab.alice = tab.source("/x", { transport: "poll", shared: true });
      await tabs.settle();
      assert.deepEqual(list.map((tab) => tab.requests.length), [1, 1]);
      assert.equal(tabs.held.size, 0);
    });
  }

  test("a tab that comes late with a cursor has a connection of its own until it has caught up", async () => {
    const url = "/sse/subscribe/alice?last_event_id=0";
    const { tabs, list: [first] } = await opened(1, url);
    await first.request.write("id: 1\ndata: a\n\nid: 2\ndata: b\n\n");
    const late = tabs.open();
    late.alice = late.source(url, shared);
    await tabs.settle();
    assert.deepEqual([late.requests.length, late.alice.readyState], [1, 1]);
    // The shared connection is ahead.
    await first.request.write("data: no id\n\nid: 3\ndata: c\n\ndata: none either\n\n");
    await late.request.answer();
    await late.request.write("id: 1\ndata: a\n\n");
    await tabs.settle();
    assert.ok(!late.request.aborted);
    await late.request.write("id: 2\ndata: b\n\nid: 3\ndata: not heard\n\n");
    await tabs.settle();
    assert.ok(late.request.aborted);
    assert.deepEqual(events(late), ["a", "b", "no id", "c", "none either"]);
    assert.deepEqual(late.alice.heard[0], "open");
  });

  test("a tab that has caught up ahead of the shared connection drops what that brings later", async () => {
    const url = "/sse/subscribe/alice?last_event_id=0";
    const { tabs, list: [first] } = await opened(1, url);
    await first.request.write("id: 1\ndata: a\n\n");
    await first.request.cut();
    const late = tabs.open();
    late.alice = late.source(url, shared);
    await tabs.settle();
    // This one would go with the shared connection after 1; it is heard before the other is back.
    await late.request.answer();
    late.deaf = true;
    await late.request.write("id: 0\ndata: z\n\nid: 2\ndata: b\n\ndata: no id\n\nid: 3\ndata: c\n\n");
    await first.pass(1000);
    await first.request.answer();
    await first.request.write("id: 2\ndata: b\n\ndata: no id\n\nid: 3\ndata: c\n\ndata: new\n\nid: 4\ndata: d\n\n");
    late.deaf = false;
    await tabs.settle();
    assert.deepEqual(events(late), ["z", "b", "no id", "c", "new", "d"]);
    assert.ok(late.request.aborted);
  });

  test("a refusal of the shared connection closes all, and no other asks again", async () => {
    const { tabs, list } = await opened(3);
    await list[0].request.end();
    await tabs.pass(1000);
    await list[0].request.answer(403, "application/json", '{"error":"no"}');
    await tabs.settle();
    for (const { alice } of list) {
      assert.deepEqual(alice.heard, ["open", "lost", "failed"]);
      assert.deepEqual([alice.error.status, alice.error.message], [403, "no"]);
    }
    await tabs.pass(60_000);
    assert.deepEqual(list.map((tab) => tab.requests.length), [2, 0, 0]);
    assert.deepEqual(list.map((tab) => [tab.timers.size, tab.channels.size]), [[0, 0], [0, 0], [0, 0]]);
    assert.deepEqual([tabs.held.size, tabs.pending.length], [0, 0]);
  });

  test("close() leaves neither lock nor channel nor timer, wherever it is called", async () => {
    for (const which of [0, 1]) {
      for (const name of ["open", "message", "error"]) {
        const tabs = new Tabs();
        const list = [tabs.open(), tabs.open()];
        for (const tab of list) tab.alice = tab.source("/x", shared);
        list[which].alice.addEventListener(name, () => list[which].alice.close());
        await tabs.settle();
        await list[0].request.answer();
        if (!list[0].request.aborted) await list[0].request.write("id: 1\ndata: x\n\n");
        if (!list[0].request.aborted) await list[0].request.end();
        await tabs.settle();
        const gone = list[which];
        assert.equal(gone.alice.readyState, 2, name);
        assert.deepEqual([gone.timers.size, gone.channels.size], [0, 0], name);
        assert.equal(tabs.holder, list[1 - which], name);
        assert.equal(tabs.pending.length, 0);
      }
    }
  });

  test("whatever happens to tabs and connections, in any order, each event is heard once and in order", async () => {
    const random = seeded_random();
    const counts = {};
    for (let round = 0; round < ROUNDS; ++round) {
      const tabs = new Tabs();
      const server = new Server(tabs);
      // With a cursor in the url, everybody hears all there ever was.
      const all_from = random.chance(0.3) ? 0 : undefined;
      const url = "/sse/subscribe/alice" + (all_from === 0 ? "?last_event_id=0" : "");
      const open = () => {
        const tab = tabs.open();
        tab.alice = tab.source(url, shared);
        tab.alice.addEventListener("open", () => (tab.from ??= all_from ?? server.kept));
      };
      const any = () => random.pick(tabs.all);
      const gone = (tab) => (tabs.all.length > 1 && tab ? tab : undefined);
      const actions = {
        publish: () => server.publish(true),
        publish_more: () => server.publish(random.chance(0.5)),
        open: () => tabs.all.length < 6 && open(),
        cut: () => server.cut(),
        crash_holder: () => gone(tabs.holder) && tabs.crash(tabs.holder),
        crash: () => gone(any()) && tabs.crash(any()),
        close() {
          const tab = gone(any());
          if (!tab) return;
          tab.alice.close();
          tab.leaves = true;
        },
        deaf: () => (any().deaf = true),
        hear: () => tabs.all.forEach((tab) => !tab.frozen && (tab.deaf = false)),
        freeze: () => any().freeze(),
        thaw: () => tabs.all.forEach((tab) => tab.thaw()),
        pass: () => tabs.pass(random.between(1, 1500)),
        pass_long: () => random.chance(0.2) && tabs.pass(30_000),
        settle: () => tabs.settle(),
      };
      open();
      for (let step = 0; step < 60; ++step) {
        const name = random.pick(Object.keys(actions));
        counts[name] = (counts[name] ?? 0) + 1;
        if (name === "publish") for (let more = random.below(4); more > 0; --more) await actions.publish();
        await actions[name]();
        if (random.chance(0.8)) await server.serve();
        for (let turn = random.below(5); turn > 0; --turn) await new Promise((resolve) => setImmediate(resolve));
      }
      // In the end all are well again.
      actions.thaw();
      for (let step = 0; step < 6; ++step) {
        await tabs.pass(10_000);
        await server.serve();
        await tabs.settle();
        await server.publish(true);
      }
      await tabs.settle();
      for (const tab of tabs.all) {
        if (tab.leaves) continue;
        const heard = events(tab);
        const where = `round ${round}: ${JSON.stringify(tab.alice.heard)}`;
        const with_id = heard.filter((data) => !data.startsWith("without")).map(Number);
        assert.ok(tab.from !== undefined && with_id[0] <= tab.from + 1, `${where} begins after ${tab.from}`);
        assert.deepEqual(with_id, Array.from(with_id, (_, index) => with_id[0] + index), where);
        assert.equal(with_id.at(-1), server.kept, where);
        const without_id = heard.filter((data) => data.startsWith("without"));
        assert.equal(new Set(without_id).size, without_id.length, where);
      }
      const requests = [...server.streams.keys()].filter((request) => server.is_open_(request));
      const alive = tabs.all.filter((tab) => !tab.leaves);
      assert.equal(requests.length, Math.min(alive.length, 1), `round ${round}: connections`);
    }
    for (const [name, count] of Object.entries(counts)) assert.ok(count > 0, name);
  });
});
