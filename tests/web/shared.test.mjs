// SpateEventSource with `shared: true` in Chromium: the tabs of one origin have one connection, and whichever tab goes,
// in whatever way, the others hear each event once and in order.
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { fileURLToPath } from "node:url";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { launch_browser } from "./support/browser.mjs";
import { start_proxy } from "./support/cutting_proxy.mjs";
import { numbers } from "./support/hostile.mjs";
import { start_hub } from "./support/hub.mjs";
import { assert_same_events } from "./support/same_events.mjs";
import { until, within } from "./support/until.mjs";

const script = fileURLToPath(new URL("../../examples/common/spate.js", import.meta.url));
const sent_by_others = ({ name }) => !["connected", "closing"].includes(name);

describe("SpateEventSource shared between tabs", { timeout: 500_000 }, () => {
  let browser;
  let context;
  let hub;
  before(async () => (browser = await launch_browser()));
  after(() => browser?.close());
  beforeEach(async () => {
    hub = await start_hub("--max-queued-bytes", "16777216", "--poll-grace-ms", "100");
    context = await browser.newContext();
    await context.addInitScript({ path: script });
  });
  afterEach(async () => {
    await context.close();
    await hub.stop();
  });

  /// A tab with an open source, or `silent`; the ones of one path share their connection.
  async function open(given = {}) {
    const { url = hub.url, path = "/sse/subscribe/alice", options = {}, silent = false } = given;
    const page = await context.newPage();
    // It asks for nothing by itself, so that every connection is the sources', and may be kept for the way back.
    await page.goto(url + "/spate.js");
    const tab = new Tab(page);
    if (silent) return tab;
    await tab.listen(path, options);
    await tab.reaches(1);
    return tab;
  }

  class Tab {
    constructor(page) {
      this.page = page;
      this.events = [];
    }

    /// Makes the tab's source; another in its place if there is one.
    listen(path, options) {
      return this.page.evaluate(
        ([url, chosen]) => {
          const heard = (window.heard = []);
          const states = (window.states = []);
          const source = (window.source = new SpateEventSource(url, { shared: true, ...chosen }));
          source.onany = ({ type, data, lastEventId }) => heard.push({ id: lastEventId, name: type, data });
          source.onopen = source.onerror = (event) => event instanceof MessageEvent || states.push(source.readyState);
        },
        [path, options],
      );
    }

    state() {
      return this.page.evaluate(() => source.readyState);
    }

    states() {
      return this.page.evaluate(() => states);
    }

    reaches(state) {
      return until(`a source in state ${state}`, async () => (await this.state()) === state);
    }

    /// What was heard so far, but for the hub's own events.
    async heard() {
      this.events.push(...(await this.page.evaluate(() => heard.splice(0))).filter(sent_by_others));
      return this.events;
    }

    async hears(id) {
      await until(`event ${id}`, async () => (await this.heard()).some((event) => event.id === id), 60_000);
    }

    async data() {
      return (await this.heard()).map((event) => event.data);
    }

    /// How many hold the lock or wait for it.
    locks() {
      return this.page.evaluate(async () => {
        const { held, pending } = await navigator.locks.query();
        return held.length + pending.length;
      });
    }

    close() {
      return this.page.evaluate(() => source.close());
    }

    /// As the browser does when the process of the tab is gone.
    async crash() {
      const crashed = once(this.page, "crash");
      const session = await context.newCDPSession(this.page);
      session.send("Page.crash").catch(() => {});
      await within("the crash", crashed);
    }
  }

  const streams = async () => (await hub.count()).streams;
  const counts = (wanted) => until(`${wanted} streams`, async () => (await streams()) === wanted);

  const send = async (data, query = "") => {
    const { id } = await hub.send("/sse/send/alice" + query, data);
    return { id, name: /event=(\w+)/.exec(query)?.[1] ?? "message", data };
  };

  /// Sends without a pause worth the name until `stop()`, which returns all that was sent.
  function publish() {
    const number = numbers(4711);
    const sent = [];
    let going = true;
    const done = (async () => {
      while (going) {
        const query = number(4) === 0 ? "?event=note" : "";
        sent.push(await send(`${sent.length}:` + "x".repeat(number(200)), query));
        await pause(number(4));
      }
    })();
    return {
      sent,
      more: (count) => {
        const wanted = sent.length + count;
        return until(`${count} events more`, () => sent.length >= wanted);
      },
      stop: async () => {
        going = false;
        await done;
        return sent;
      },
    };
  }

  for (const transport of ["sse", "poll", "iframe"]) {
    test(`${transport}: tabs, and sources in one tab, have one connection and hear the same`, async () => {
      const options = { transport };
      const tabs = [];
      for (let index = 0; index < 4; ++index) tabs.push(await open({ options }));
      // A second source, and a listener for a name that nobody else has, in a tab that does not hold the connection.
      await tabs[2].page.evaluate(
        (chosen) =>
          new Promise((resolve) => {
            window.second = new SpateEventSource("/sse/subscribe/alice", { shared: true, ...chosen });
            window.of_second = [];
            const note = ({ data, lastEventId, origin }) => of_second.push([data, lastEventId, origin]);
            second.addEventListener("note", note);
            second.onopen = resolve;
          }),
        options,
      );
      const sent = [await send("1"), await send("2", "?event=note"), await send("3")];
      for (const tab of tabs) {
        await tab.hears(sent.at(-1).id);
        assert_same_events(await tab.heard(), sent);
        assert.deepEqual(await tab.states(), [1]);
        assert.equal(await tab.page.evaluate(() => source.transport), transport);
      }
      assert.deepEqual(await tabs[2].page.evaluate(() => of_second), [["2", sent[1].id, hub.url]]);
      assert.equal(await streams(), 1);
    });

    test(`${transport}: whoever goes, by being closed or by a crash, takes no event along`, async () => {
      const proxy = await start_proxy(hub.port);
      try {
        const tabs = [];
        for (let index = 0; index < 5; ++index) tabs.push(await open({ url: proxy.url, options: { transport } }));
        // `retry` makes the holder come back soon.
        const first = await send("first", "?retry=20");
        const publisher = publish();
        for (const go of ["close", "crash", "page closed", "crash"]) {
          await publisher.more(30);
          await until("a connection to cut", () => proxy.cut() > 0);
          await publisher.more(30);
          const holder = tabs.shift();
          if (go === "close") await holder.close();
          else if (go === "crash") await holder.crash();
          else await holder.page.close();
          await publisher.more(30);
          const newest = publisher.sent.at(-1).id;
          for (const tab of tabs) await tab.hears(newest);
        }
        const sent = [first, ...(await publisher.stop())];
        for (const tab of tabs) {
          await tab.hears(sent.at(-1).id);
          assert_same_events(await tab.heard(), sent);
        }
        await counts(1);
      } finally {
        proxy.stop();
      }
    });
  }

  test("a tab that comes late begins now", async () => {
    const early = await open();
    const before = await send("before");
    await early.hears(before.id);
    const late = await open();
    const after = await send("after");
    for (const tab of [early, late]) await tab.hears(after.id);
    assert.deepEqual([await early.data(), await late.data()], [["before", "after"], ["after"]]);
    assert.equal(await streams(), 1);
  });

  test("a tab that comes late and takes over has the position of the others", async () => {
    const early = await open();
    await early.hears((await send("before")).id);
    const late = await open();
    await early.close();
    const after = await send("after");
    await late.hears(after.id);
    assert.deepEqual(await late.data(), ["after"]);
  });

  for (const parameter of ["last_event_id", "lastEventId"]) {
    test(`a tab whose url has a cursor (${parameter}) begins there, however late it comes`, async () => {
      const position = await hub.position();
      const path = `/sse/subscribe/alice?${parameter}=${encodeURIComponent(position)}`;
      const sent = [await send("1"), await send("2")];
      const publisher = publish();
      const tabs = [await open({ path })];
      await publisher.more(30);
      tabs.push(await open({ path }));
      await publisher.more(30);
      await tabs[0].crash();
      tabs.shift();
      tabs.push(await open({ path }));
      await publisher.more(30);
      sent.push(...(await publisher.stop()));
      for (const tab of tabs) {
        await tab.hears(sent.at(-1).id);
        assert_same_events(await tab.heard(), sent);
      }
      await counts(1);
    });
  }

  test("a tab that comes while another takes over loses nothing that comes after it is open", async () => {
    const tabs = [await open(), await open()];
    await send("first", "?retry=20");
    await tabs.shift().crash();
    tabs.push(await open());
    const after = await send("after");
    for (const tab of tabs) await tab.hears(after.id);
    assert.equal((await tabs[1].data()).at(-1), "after");
    await counts(1);
  });

  test("readyState is that of the shared connection, and its changes are events in every tab", async () => {
    const proxy = await start_proxy(hub.port);
    try {
      const tabs = [await open({ url: proxy.url }), await open({ url: proxy.url })];
      const late = await open({ url: proxy.url, silent: true });
      proxy.refuse = true;
      proxy.cut();
      for (const tab of tabs) await tab.reaches(0);
      await late.listen("/sse/subscribe/alice", {});
      assert.equal(await late.state(), 0);
      proxy.refuse = false;
      for (const tab of [...tabs, late]) await tab.reaches(1);
      for (const tab of tabs) assert.match((await tab.states()).join(""), /^10+1$/);
      assert.match((await late.states()).join(""), /^0*1$/);
      await tabs[0].close();
      assert.equal(await tabs[0].state(), 2);
      for (const tab of [tabs[1], late]) {
        await until("another open", async () => /01$/.test((await tab.states()).join("")));
        await tab.reaches(1);
      }
      // close() is no event.
      assert.match((await tabs[0].states()).join(""), /^10+1$/);
      await counts(1);
    } finally {
      proxy.stop();
    }
  });

  test("close() in a tab that does not hold the connection is for that tab alone", async () => {
    const tabs = [await open(), await open(), await open()];
    await tabs[1].close();
    const { id } = await send("1");
    await tabs[0].hears(id);
    await tabs[2].hears(id);
    assert.deepEqual([await tabs[1].state(), await tabs[1].data()], [2, []]);
    assert.deepEqual(await tabs[0].states(), [1]);
    for (const tab of tabs) await tab.close();
    await counts(0);
  });

  test("two sources in one tab survive each other", async () => {
    const tab = await open();
    await tab.page.evaluate(() => (window.first = source));
    await tab.listen("/sse/subscribe/alice", {});
    await tab.reaches(1);
    const sent = [await send("1")];
    await tab.hears(sent[0].id);
    await tab.page.evaluate(() => first.close());
    sent.push(await send("2"));
    await tab.hears(sent[1].id);
    assert_same_events(await tab.heard(), sent);
    await counts(1);
  });

  test("what differs in url or options is not shared", async () => {
    await open();
    await open({ options: { withCredentials: true } });
    await open({ options: { transport: "poll" } });
    await open({ path: "/sse/subscribe/alice?event=note" });
    await open({ options: { shared: false } });
    await counts(5);
  });

  test("without Web Locks each tab has its own", async () => {
    await context.addInitScript(() => delete Navigator.prototype.locks);
    const tabs = [await open(), await open(), await open()];
    const sent = [await send("1")];
    for (const tab of tabs) {
      await tab.hears(sent[0].id);
      assert_same_events(await tab.heard(), sent);
    }
    assert.equal(await streams(), 3);
    await tabs[0].close();
    await counts(2);
  });

  test("where Web Locks are refused, as in a page without an origin, each has its own", async () => {
    const server = http.createServer((request, response) => {
      const sandbox = { "content-type": "text/html", "content-security-policy": "sandbox allow-scripts" };
      if (request.url === "/page") return response.writeHead(200, sandbox).end();
      response.writeHead(200, { "content-type": "text/event-stream", "access-control-allow-origin": "*" });
      response.write("data: alone\n\n");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      const url = `http://127.0.0.1:${server.address().port}`;
      const page = await context.newPage();
      await page.goto(url + "/page");
      const told = page.evaluate(
        (stream) =>
          new Promise((resolve) => {
            const refused = navigator.locks.request("any", () => "granted").catch((error) => error.name);
            new SpateEventSource(stream, { shared: true }).onmessage = async ({ data }) => resolve([data, await refused]);
          }),
        url + "/stream",
      );
      assert.deepEqual(await within("an event", told), ["alone", "SecurityError"]);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  for (const [status, type] of [[204, "text/event-stream"], [403, "application/json"], [200, "text/html"]]) {
    test(`a refusal (${status}, ${type}) closes all for good, and none tries again`, async () => {
      let asked = 0;
      let stream;
      const server = http.createServer((request, response) => {
        if (request.url !== "/stream") return response.writeHead(200, { "content-type": "text/html" }).end();
        const body = status === 204 ? "" : '{"error":"gone"}';
        if (++asked > 1) return response.writeHead(status, { "content-type": type }).end(body);
        stream = response.writeHead(200, { "content-type": "text/event-stream" });
        stream.write("retry: 10\ndata: 1\n\n");
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      try {
        const url = `http://127.0.0.1:${server.address().port}`;
        const tabs = [];
        for (let index = 0; index < 4; ++index) tabs.push(await open({ url, path: "/stream" }));
        for (const { page } of tabs) {
          await page.evaluate(() => {
            source.addEventListener("error", ({ status, message }) => (window.reason = [status, message]));
          });
        }
        stream.destroy();
        for (const tab of tabs) {
          await tab.reaches(2);
          assert.deepEqual(await tab.states(), [1, 0, 2]);
          if (status === 403) assert.deepEqual(await tab.page.evaluate(() => reason), [403, "gone"]);
        }
        // All have left: nobody holds the lock or waits for it.
        await until("no locks", async () => (await tabs[0].locks()) === 0);
        assert.equal(asked, 2);
      } finally {
        server.closeAllConnections();
        server.close();
      }
    });
  }

  for (const which of ["holds the connection", "does not hold the connection"]) {
    test(`a tab that sleeps and ${which} hears all when it wakes up, and the others meanwhile`, async () => {
      const tabs = [await open(), await open(), await open()];
      await send("first", "?retry=20");
      for (const tab of tabs) await until("the first event", async () => (await tab.data()).length === 1);
      const sleeper = tabs[which === "holds the connection" ? 0 : 1];
      const others = tabs.filter((tab) => tab !== sleeper);
      const publisher = publish();
      await publisher.more(30);
      // Chromium puts no visible page to sleep, and without a screen all are: they are told as if it did.
      await sleeper.page.evaluate(() => document.dispatchEvent(new Event("freeze")));
      await publisher.more(30);
      // It has left: the lock is held by one of the others, and the other waits.
      await until("it to leave", async () => (await others[0].locks()) === 2);
      const meanwhile = publisher.sent.at(-1).id;
      for (const tab of others) await tab.hears(meanwhile);
      await sleeper.page.evaluate(() => document.dispatchEvent(new Event("resume")));
      await publisher.more(30);
      const sent = await publisher.stop();
      for (const tab of tabs) {
        await tab.hears(sent.at(-1).id);
        assert_same_events((await tab.heard()).slice(1), sent);
      }
      await counts(1);
    });
  }

  test("a page that is kept for the way back gives up its part, and goes on where it was", async () => {
    // Playwright's browsers keep no pages unless told.
    const keeping = await launch_browser({ ignoreDefaultArgs: ["--disable-back-forward-cache"] });
    try {
      await context.close();
      context = await keeping.newContext();
      await context.addInitScript({ path: script });
      const tabs = [await open(), await open()];
      await send("first", "?retry=20");
      for (const tab of tabs) await until("the first event", async () => (await tab.data()).length === 1);
      const [kept, other] = tabs;
      const publisher = publish();
      await publisher.more(30);
      await kept.page.evaluate(() => (window.is_kept = true));
      await kept.page.goto(hub.url + "/sse/count");
      await publisher.more(30);
      await other.hears(publisher.sent.at(-1).id);
      assert.equal(await other.locks(), 1);
      await kept.page.goBack({ waitUntil: "commit" });
      assert.equal(await kept.page.evaluate(() => window.is_kept), true, "the page was loaded anew");
      await publisher.more(30);
      const sent = await publisher.stop();
      for (const tab of tabs) {
        await tab.hears(sent.at(-1).id);
        assert_same_events((await tab.heard()).slice(1), sent);
      }
      await counts(1);
    } finally {
      await keeping.close();
      context = await browser.newContext();
    }
  });
});
