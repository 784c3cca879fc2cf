// Chromium and the hub over TLS: all tabs of a browser on one connection, where HTTP/1.1 allows it six, and the page and
// every transport as in the clear.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { launch_browser } from "./support/browser.mjs";
import { Authority } from "./support/certificates.mjs";
import { start_proxy } from "./support/cutting_proxy.mjs";
import { expect_text } from "./support/expect_text.mjs";
import { hostile_data } from "./support/hostile.mjs";
import { start_tls_hub } from "./support/hub.mjs";
import { HubPage } from "./support/hub_page.mjs";
import { assert_same_events } from "./support/same_events.mjs";
import { until } from "./support/until.mjs";

const authority = new Authority();
const pair = authority.issue("hub");
const sent_by_others = ({ name }) => !["connected", "closing"].includes(name);

describe("Chromium over TLS", { timeout: 500_000 }, () => {
  let browser;
  let context;
  let hub;
  before(async () => (browser = await launch_browser()));
  after(() => browser?.close());
  const begin = async (...options) => {
    hub = await start_tls_hub(authority, pair, "--max-queued-bytes", "16777216", ...options);
    // The browser does not know the authority.
    context = await browser.newContext({ ignoreHTTPSErrors: true, baseURL: hub.url });
  };
  beforeEach(() => (hub = context = undefined));
  afterEach(async () => {
    await context?.close();
    await hub?.stop();
  });

  const connections = (protocol) => hub.metric(`spate_connections{protocol="${protocol}",tls="1"}`);

  /// A tab with a source for each of `users`, all open.
  async function tab(users) {
    const page = await context.newPage();
    await page.goto("/healthz");
    await page.evaluate((names) => {
      window.heard = names.map(() => []);
      window.sources = names.map((name, index) => {
        const source = new EventSource("/sse/subscribe/" + name);
        source.onmessage = ({ data }) => heard[index].push(data);
        return source;
      });
    }, users);
    await until("open sources", () => page.evaluate(() => sources.every(({ readyState }) => readyState === 1)));
    return page;
  }
  const heard = async (pages) => (await Promise.all(pages.map((page) => page.evaluate(() => heard)))).flat();
  const users = (count, from = 0) => Array.from({ length: count }, (_, number) => `tab-${from + number}`);

  /// Events for all, and for each of them alone; `streams` of them in `pages` have to hear them.
  async function each_hears_all(pages, streams) {
    const to_all = Array.from({ length: 20 }, (_, number) => `to all ${number}`);
    for (const data of to_all) assert.equal((await hub.send("/sse/broadcast", data)).streams, streams);
    for (let number = 0; number < streams; ++number) {
      assert.equal((await hub.send(`/sse/send/tab-${number}`, `to ${number}`)).streams, 1);
    }
    await until("the last events", async () => (await heard(pages)).every((data) => data.length > to_all.length));
    for (const [number, data] of (await heard(pages)).entries()) assert.deepEqual(data, [...to_all, `to ${number}`]);
  }

  test("a hundred tabs have one connection, and each hears every event", async () => {
    const TABS = 100;
    await begin();
    const pages = [];
    for (let number = 0; number < TABS; ++number) pages.push(await tab(users(1, number)));
    assert.equal(await hub.metric("spate_streams"), TABS);
    assert.equal(await connections("h2"), 1);
    await each_hears_all(pages, TABS);
    // Half of them are closed, and the rest has the connection still.
    for (const page of pages.slice(TABS / 2)) await page.close();
    await until("half the streams", async () => (await hub.count()).streams === TABS / 2);
    assert.equal(await connections("h2"), 1);
    await hub.send("/sse/broadcast", "after");
    const rest = pages.slice(0, TABS / 2);
    await until("the event", async () => (await heard(rest)).every((data) => data.at(-1) === "after"));
    // Who asks for it is the only one that has another.
    assert.equal(await connections("http/1.1"), 1);
  });

  test("two hundred sources in five tabs have one connection, and each hears every event", async () => {
    await begin();
    const pages = [];
    for (let number = 0; number < 5; ++number) pages.push(await tab(users(40, number * 40)));
    assert.equal(await hub.metric("spate_streams"), 200);
    assert.equal(await connections("h2"), 1);
    await each_hears_all(pages, 200);
    assert.equal(await connections("h2"), 1);
  });

  test("with --http2 off six is all that it opens: what the one connection is for", async () => {
    await begin("--http2", "off");
    const page = await context.newPage();
    await page.goto("/healthz");
    await page.evaluate((names) => (window.sources = names.map((name) => new EventSource("/sse/subscribe/" + name))), users(10));
    const open = () => page.evaluate(() => sources.filter(({ readyState }) => readyState === 1).length);
    await until("six of them", async () => (await open()) === 6);
    assert.equal((await hub.count()).streams, 6);
    // The seventh gets its turn when one of them ends.
    await page.evaluate(() => sources.find(({ readyState }) => readyState === 1).close());
    await until("the next one", async () => (await open()) === 6);
    assert.equal(await connections("h2"), 0);
  });

  test("a drain is told to all tabs, and they return to the hub that comes after it, missing nothing", async () => {
    await begin();
    const page = await tab(users(50));
    await hub.send("/sse/broadcast?retry=20", "before");
    await until("the event", async () => (await heard([page])).every((data) => data.at(-1) === "before"));
    const port = String(hub.port);
    await page.evaluate(() => {
      window.closings = 0;
      for (const source of sources) source.addEventListener("closing", () => (closings += 1));
    });
    await hub.stop();
    await until("the farewells", () => page.evaluate(() => closings === 50));
    hub = await start_tls_hub(authority, pair, "--port", port);
    await until("all of them", async () => (await hub.count()).streams === 50);
    await hub.send("/sse/broadcast", "after");
    await until("the event", async () => (await heard([page])).every((data) => data.at(-1) === "after"));
    for (const data of await heard([page])) assert.deepEqual(data, ["before", "after"]);
  });

  for (const transport of ["sse", "poll", "iframe"]) {
    test(`SpateEventSource over ${transport}: hostile payloads, cut at times, each once and in order`, async () => {
      await begin();
      const proxy = await start_proxy(hub.port);
      try {
        const page = await context.newPage();
        await page.goto(`https://127.0.0.1:${proxy.port}/healthz`);
        await page.addScriptTag({ url: "/spate.js" });
        await page.evaluate((chosen) => {
          window.alice = new SpateEventSource("/sse/subscribe/alice", { transport: chosen });
          alice.heard = [];
          alice.onany = ({ type, data, lastEventId }) => alice.heard.push({ id: lastEventId, name: type, data });
        }, transport);
        await until("an open source", () => page.evaluate(() => alice.readyState === 1));
        const sent = [];
        for (const [index, [, body, data]] of hostile_data.entries()) {
          if (data === undefined) continue;
          const { id } = await hub.send(`/sse/send/alice${sent.length === 0 ? "?retry=20" : ""}`, body);
          sent.push({ id, name: "message", data });
          if (index % 7 !== 3) continue;
          await until("a connection to cut", () => proxy.open > 0);
          proxy.cut();
        }
        const events = [];
        await until("the last event", async () => {
          events.push(...(await page.evaluate(() => alice.heard.splice(0))).filter(sent_by_others));
          return events.at(-1)?.id === sent.at(-1).id;
        });
        assert_same_events(events, sent);
        assert.equal(await page.evaluate(() => alice.transport), transport);
      } finally {
        proxy.stop();
      }
    });
  }

  test("the hub's page: two people send to each other, to a group and to everybody", async () => {
    await begin();
    const alice = await HubPage.in(context, "/?user=team-alice");
    const other = await browser.newContext({ ignoreHTTPSErrors: true, baseURL: hub.url });
    try {
      const bob = await HubPage.in(other, "/?user=team-bob");
      for (const page of [alice, bob]) await page.is("open");
      assert.equal(await connections("h2"), 2, "one for each browser");
      const result = (page, wanted) => expect_text(page.page.locator("#result"), wanted);
      await alice.send({ recipient: "team-bob", event: "note", data: "one\ntwo" });
      await result(alice, /^Sent as \S+ to 1 stream\.$/);
      await bob.send({ to: "Group", recipient: "team-", data: "for the team" });
      await result(bob, /to 2 streams/);
      await bob.send({ to: "Everybody", data: "for all" });
      await result(bob, /to 2 streams/);
      const has = async (page, wanted) => {
        await until(`${wanted.length} events`, async () => (await page.sent()).length >= wanted.length);
        assert.deepEqual((await page.sent()).map(({ name, data }) => [name, data]), wanted);
      };
      await has(alice, [["message", "for the team"], ["message", "for all"]]);
      await has(bob, [["note", "one\ntwo"], ["message", "for the team"], ["message", "for all"]]);
      await until("both in the list", async () => (await alice.users()).join() === "team-alice,team-bob");
      await bob.press("Disconnect");
      await bob.is("closed");
      await until("bob to be gone", async () => (await hub.users()).join() === "team-alice");
      for (const page of [alice, bob]) assert.deepEqual(page.errors, []);
    } finally {
      await other.close();
    }
  });
});
