// SpateEventSource in Chromium, over every transport: the same events, each once and in order, whatever is cut; and
// every payload as the data it was sent as.
import assert from "node:assert/strict";
import http from "node:http";
import { once } from "node:events";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { launch_browser } from "./support/browser.mjs";
import { start_proxy } from "./support/cutting_proxy.mjs";
import { free_port } from "./support/free_port.mjs";
import { hostile_data, hostile_names, numbers } from "./support/hostile.mjs";
import { start_hub } from "./support/hub.mjs";
import { assert_same_events } from "./support/same_events.mjs";
import { until } from "./support/until.mjs";

const ways = {
  sse: { transport: "sse", query: "" },
  poll: { transport: "poll", query: "" },
  "short-poll": { transport: "poll", query: "?timeout=0" },
  iframe: { transport: "iframe", query: "" },
};
// The ways to try, by name; all of them unless told.
const wanted = (process.env.TRANSPORTS ?? Object.keys(ways).join(" ")).split(/[ ,]+/);

describe("SpateEventSource in a browser", { timeout: 500_000 }, () => {
  let browser;
  let hub;
  before(async () => (browser = await launch_browser()));
  after(() => browser?.close());
  beforeEach(async () => (hub = await start_hub("--max-queued-bytes", "16777216")));
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    await hub.stop();
  });

  /// A page of the hub at `url` that listens as alice; `heard()` returns what it has heard since the last call.
  async function listen(url, { transport, query }) {
    const page = await (await browser.newContext()).newPage();
    // A page that asks for nothing by itself, so that every connection is the source's.
    await page.goto(url + "/healthz");
    await page.addScriptTag({ url: "/spate.js" });
    await page.evaluate(
      ([path, chosen]) => {
        window.alice = new SpateEventSource(path, { transport: chosen });
        alice.heard = [];
        alice.onany = ({ type, data, lastEventId }) => alice.heard.push({ id: lastEventId, name: type, data });
      },
      ["/sse/subscribe/alice" + query, transport],
    );
    const state = () => page.evaluate(() => alice.readyState);
    await until("an open source", async () => (await state()) === 1);
    return {
      page,
      state,
      heard: () => page.evaluate(() => alice.heard.splice(0)),
      transport: () => page.evaluate(() => alice.transport),
    };
  }

  const sent_by_others = ({ name }) => !["connected", "closing"].includes(name);

  for (const name of wanted) {
    const way = ways[name];

    test(`${name}: a thousand events at uneven pace, cut at random, each once and in order`, async () => {
      const number = numbers(4711);
      const proxy = await start_proxy(hub.port);
      try {
        const alice = await listen(proxy.url, way);
        const sent = [];
        const cuts = new Set(Array.from({ length: 6 }, (_, index) => 30 + index * 160 + number(150)));
        while (sent.length < 1000) {
          const burst = Math.min(1 + number(30), 1000 - sent.length);
          for (let index = 0; index < burst; ++index) {
            if (cuts.has(sent.length)) {
              await until("a connection to cut", () => proxy.open > 0);
              proxy.cut();
            }
            const path = ["/sse/send/alice", "/sse/group/al", "/sse/broadcast"][number(3)];
            // `retry` on the first makes the page come back soon.
            const query = sent.length === 0 ? "?retry=20" : number(5) === 0 ? "?event=note" : "";
            const data = `${sent.length}:` + "x".repeat(number(10) === 0 ? number(5000) : number(50));
            const { id } = await hub.send(path + query, data);
            sent.push({ id, name: query === "?event=note" ? "note" : "message", data });
          }
          await pause(number(25));
        }
        const heard = [];
        await until(
          "the last event",
          async () => {
            heard.push(...(await alice.heard()).filter(sent_by_others));
            return heard.at(-1)?.id === sent.at(-1).id;
          },
          60_000,
        );
        assert_same_events(heard, sent);
        assert.equal(await alice.transport(), way.transport);
      } finally {
        proxy.stop();
      }
    });

    test(`${name}: hostile payloads and names arrive as what they are`, async () => {
      const alice = await listen(hub.url, way);
      const sent = [];
      for (const [, body, data] of hostile_data) {
        if (data === undefined) continue;
        const { id } = await hub.send("/sse/send/alice", body);
        sent.push({ id, name: "message", data });
      }
      for (const [, encoded, event] of hostile_names) {
        if (event === undefined) continue;
        const { id } = await hub.send("/sse/send/alice?event=" + encoded, "data");
        sent.push({ id, name: event, data: "data" });
      }
      const heard = [];
      await until("the last event", async () => {
        heard.push(...(await alice.heard()).filter(sent_by_others));
        return heard.at(-1)?.id === sent.at(-1).id;
      });
      assert_same_events(heard, sent);
      assert.equal(await alice.page.evaluate(() => document.querySelectorAll("iframe").length), name === "iframe" ? 1 : 0);
    });

    test(`${name}: close() ends it at the hub too, and a hub that was started anew tells the gap`, async () => {
      await hub.stop();
      const options = ["--poll-grace-ms", "100", "--port", String(await free_port())];
      hub = await start_hub(...options);
      const alice = await listen(hub.url, way);
      const { id } = await hub.send("/sse/send/alice?retry=20", "before");
      const heard = [];
      const until_heard = (data) =>
        until(data, async () => {
          heard.push(...(await alice.heard()));
          return heard.some((event) => event.data === data);
        });
      await until_heard("before");
      await hub.kill();
      await until("the drop to be noticed", async () => (await alice.state()) === 0);
      hub = await start_hub(...options);
      await hub.send("/sse/send/alice", "after");
      await until_heard("after");
      const [gap, ...others] = heard.filter((event) => event.name === "gap");
      assert.equal(others.length, 0);
      const { requested, reason } = JSON.parse(gap.data);
      assert.deepEqual({ requested, reason }, { requested: id, reason: "unknown" });
      await until("alice online", async () => (await hub.users()).join() === "alice");
      await alice.page.evaluate(() => alice.close());
      await until("alice gone", async () => (await hub.users()).length === 0);
      assert.equal(await alice.page.evaluate(() => document.querySelectorAll("iframe").length), 0);
    });

    test(`${name}: a refusal closes it for good`, async () => {
      const page = await (await browser.newContext()).newPage();
      await page.goto(hub.url);
      const path = "/sse/subscribe/" + "x".repeat(257);
      const [state, message] = await page.evaluate(
        ([url, transport]) =>
          new Promise((resolve) => {
            const refused = new SpateEventSource(url, { transport });
            refused.onerror = (event) => resolve([refused.readyState, event.message]);
          }),
        [path + way.query, way.transport],
      );
      assert.equal(state, 2);
      assert.equal(message, (await hub.get(path)).error);
    });
  }

  if (wanted.includes("poll")) {
    test("behind a proxy that collects each answer before it passes it on, polling takes over", async () => {
      const proxy = http.createServer(async (request, response) => {
        const answer = await fetch(hub.url + request.url).catch(() => undefined);
        const body = await answer?.arrayBuffer().catch(() => undefined);
        if (!body) return response.destroy();
        response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") });
        response.end(Buffer.from(body));
      });
      proxy.listen(0, "127.0.0.1");
      await once(proxy, "listening");
      try {
        const alice = await listen(`http://127.0.0.1:${proxy.address().port}`, { query: "" });
        assert.equal(await alice.transport(), "poll");
        const { id } = await hub.send("/sse/send/alice", "through");
        const heard = [];
        await until("the event", async () => heard.push(...(await alice.heard())) > 0);
        assert.deepEqual(heard, [{ id, name: "message", data: "through" }]);
      } finally {
        proxy.closeAllConnections();
        proxy.close();
      }
    });
  }
});
