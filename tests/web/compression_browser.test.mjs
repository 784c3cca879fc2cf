// Compressed streams in Chromium, which asks for gzip by itself: each event is shown before the next is sent, on every
// transport, in several tabs, after cuts, and over HTTP/2.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { launch_browser } from "./support/browser.mjs";
import { Authority } from "./support/certificates.mjs";
import { start_proxy } from "./support/cutting_proxy.mjs";
import { start_hub, start_tls_hub } from "./support/hub.mjs";
import { HubPage } from "./support/hub_page.mjs";
import { assert_same_events } from "./support/same_events.mjs";
import { until } from "./support/until.mjs";
import { send_varied } from "./support/varied_events.mjs";

const EVENTS = 40;
const room = "/sse/subscribe/alice?topic=room";
const authority = new Authority();
const pair = authority.issue("hub");

describe("compressed streams in a browser", { timeout: 300_000 }, () => {
  let browser;
  let hub;
  before(async () => (browser = await launch_browser()));
  after(() => browser?.close());
  // Without heartbeats: nothing else brings an event that was held back.
  beforeEach(async () => (hub = await start_hub("--heartbeat-ms", "0", "--poll-grace-ms", "100")));
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    await hub.stop();
  });

  /// A tab that hears what `source`, an expression of its page, hears. `answers` are those of the hub to its streams.
  class Tab {
    static async open(context, url, source) {
      const tab = new Tab();
      tab.page = await context.newPage();
      tab.heard = [];
      tab.answers = [];
      tab.page.on("response", (response) => response.url().includes("/sse/subscribe/") && tab.answers.push(response));
      // A page that asks for nothing by itself.
      await tab.page.goto(url + "/healthz");
      await tab.page.addScriptTag({ url: "/spate.js" });
      await tab.page.exposeFunction("heard", (event) => tab.heard.push(event));
      await tab.page.evaluate((expression) => {
        window.source = eval(expression);
        const take = ({ lastEventId, type, data }) => heard({ id: lastEventId, name: type, data });
        for (const name of ["message", "note"]) source.addEventListener(name, take);
      }, source);
      await until("an open source", () => tab.page.evaluate(() => source.readyState === 1));
      return tab;
    }

    has(count) {
      return until(`event ${count}`, () => this.heard.length >= count);
    }

    /// The codings of the answers that have come.
    async codings() {
      const headers = await Promise.all(this.answers.map((answer) => answer.allHeaders()));
      return headers.map((each) => each["content-encoding"]);
    }
  }
  const native = `new EventSource(${JSON.stringify(room)})`;

  test(`EventSource shows ${EVENTS} of ${EVENTS} events of every size, each before the next is sent`, async () => {
    const alice = await Tab.open(await browser.newContext(), hub.url, native);
    assert.match((await alice.answers[0].request().allHeaders())["accept-encoding"], /\bgzip\b/);
    assert.deepEqual(await alice.codings(), ["gzip"]);
    assert_same_events(alice.heard, await send_varied(hub, "alice", EVENTS, (count) => alice.has(count)));
    assert.ok((await hub.metric("spate_compressed_bytes_total")) > 0);
  });

  test("two tabs and another person's show each event before the next is sent", async () => {
    const context = await browser.newContext();
    const tabs = [await Tab.open(context, hub.url, native), await Tab.open(context, hub.url, native)];
    // He is of the group and in the room, and what is for alice alone is not for him.
    const other = await Tab.open(await browser.newContext(), hub.url, native.replace("alice", "alicia"));
    const sent = await send_varied(hub, "alice", EVENTS, async (count) => {
      for (const each of tabs) await each.has(count);
    });
    for (const { heard } of tabs) assert_same_events(heard, sent);
    const for_all = sent.filter((_, which) => which % 5 !== 1);
    await other.has(for_all.length);
    assert_same_events(other.heard, for_all);
    for (const each of [...tabs, other]) assert.deepEqual(await each.codings(), ["gzip"]);
  });

  test("EventSource comes back after each cut, and hears what it missed from a compressed replay", async () => {
    const proxy = await start_proxy(hub.port);
    try {
      const alice = await Tab.open(await browser.newContext(), proxy.url, native);
      const { id } = await hub.send("/sse/send/alice?retry=20", "come back soon");
      const sent = [{ id, name: "message", data: "come back soon" }];
      await alice.has(1);
      for (let round = 1; round <= 5; ++round) {
        // While it is away, and while it listens.
        proxy.refuse = true;
        proxy.cut();
        sent.push(...(await send_varied(hub, "alice", 20, () => {}, { seed: round, largest: 20_000 })));
        proxy.refuse = false;
        await alice.has(sent.length);
        const before = sent.length;
        sent.push(...(await send_varied(hub, "alice", 10, (count) => alice.has(before + count), { seed: -round, largest: 20_000 })));
      }
      assert_same_events(alice.heard, sent);
      // The first stream may have come over the connection that brought the page.
      const resumed = proxy.heads.filter(({ asked }) => /^last-event-id: \S+\r$/im.test(asked));
      assert.equal(resumed.length, 5);
      for (const { answered } of resumed) assert.match(answered, /^content-encoding: gzip\r$/im);
      assert.equal(await hub.metric("spate_gaps_total"), 0);
    } finally {
      proxy.stop();
    }
  });

  for (const transport of ["sse", "iframe", "poll"]) {
    test(`SpateEventSource over ${transport}: compressed, each event before the next is sent`, async () => {
      const source = `new SpateEventSource(${JSON.stringify(room)}, { transport: "${transport}" })`;
      const alice = await Tab.open(await browser.newContext(), hub.url, source);
      assert_same_events(alice.heard, await send_varied(hub, "alice", 20, (count) => alice.has(count)));
      assert.equal(await alice.page.evaluate(() => source.transport), transport);
      const codings = await alice.codings();
      assert.ok(codings.length > 0);
      for (const coding of codings) assert.equal(coding, "gzip");
    });
  }

  test("the hub's page is compressed, and so is the stream that it shows", async () => {
    const alice = await HubPage.open(browser, hub.url, "/?user=alice");
    await alice.is("open");
    const answer = await alice.page.reload();
    assert.equal((await answer.allHeaders())["content-encoding"], "gzip");
    await alice.is("open");
    const before = await hub.metric("spate_compressed_bytes_total");
    await hub.send("/sse/broadcast", "for everybody");
    await hub.send("/sse/send/alice?event=note", "for alice");
    await until("both rows", async () => (await alice.sent()).length === 2);
    assert.deepEqual((await alice.sent()).map(({ name, data }) => [name, data]), [["message", "for everybody"], ["note", "for alice"]]);
    assert.ok((await hub.metric("spate_compressed_bytes_total")) > before);
    assert.deepEqual(alice.errors, []);
  });

  test("over TLS and HTTP/2 EventSource shows each event before the next is sent", async () => {
    const encrypted = await start_tls_hub(authority, pair, "--heartbeat-ms", "0");
    try {
      const context = await browser.newContext({ ignoreHTTPSErrors: true });
      const alice = await Tab.open(context, encrypted.url, native);
      assert.equal(await alice.page.evaluate(() => performance.getEntriesByType("navigation")[0].nextHopProtocol), "h2");
      assert.deepEqual(await alice.codings(), ["gzip"]);
      assert_same_events(alice.heard, await send_varied(encrypted, "alice", 20, (count) => alice.has(count)));
      await context.close();
    } finally {
      await encrypted.stop();
    }
  });
});
