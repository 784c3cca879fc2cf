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

  /// A tab with a source; the ones of one path share their connection.
  async function open(given = {}) {
    const { url = hub.url, path = "/sse/subscribe/alice", options = {}, wait = true } = given;
    const page = await context.newPage();
    // A page that asks for nothing by itself, so that every connection is the sources'.
    await page.goto(url + "/healthz");
    const tab = new Tab(page);
    await tab.listen(path, options);
    if (wait) await tab.reaches(1);
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
          window.heard = [];
          window.states = [];
          window.source = new SpateEventSource(url, { shared: true, ...chosen });
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
            second.addEventListener("note", ({ data, lastEventId, origin }) => of_second.push([data, lastEventId, origin]));
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
});
