// Who is online is pushed: what the topic `$presence` says, and the list on the hub's page in Chromium.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { launch_browser } from "./support/browser.mjs";
import { expect_text } from "./support/expect_text.mjs";
import { free_port } from "./support/free_port.mjs";
import { start_hub } from "./support/hub.mjs";
import { HubPage } from "./support/hub_page.mjs";
import { seconds, token } from "./support/jwt.mjs";
import { Recorder } from "./support/recorder.mjs";
import { until } from "./support/until.mjs";

const came = (user) => ({ user, online: true });
const went = (user) => ({ user, online: false });

describe("the topic $presence", { timeout: 60_000 }, () => {
  let hub;
  const open = [];
  const listen = async (user, query) => {
    const recorder = new Recorder(user, query);
    open.push(recorder);
    await recorder.connect(hub.url);
    return recorder;
  };
  beforeEach(async () => (hub = await start_hub("--poll-grace-ms", "100")));
  afterEach(async () => {
    for (const recorder of open.splice(0)) recorder.drop();
    await hub.stop();
  });
  const told = (watcher, ...wanted) =>
    until(`${JSON.stringify(wanted)}`, () => watcher.presence.length >= wanted.length).then(() =>
      assert.deepEqual(watcher.presence, wanted),
    );

  test("says who comes and who goes, once for all streams of a user", async () => {
    const watcher = await listen("watcher", "topic=%24presence");
    await told(watcher, came("watcher"));
    const first = await listen("bob \"\u00e9\"");
    const second = await listen("bob \"\u00e9\"");
    first.drop();
    await until("one stream less", async () => (await hub.count()).streams === 2);
    const carol = await listen("carol");
    second.drop();
    await told(watcher, came("watcher"), came("bob \"\u00e9\""), came("carol"), went("bob \"\u00e9\""));
    await hub.post("/sse/close/carol");
    await carol.over;
    await told(watcher, came("watcher"), came("bob \"\u00e9\""), came("carol"), went("bob \"\u00e9\""), went("carol"));
  });

  test("tells of who polls when they come, and when their grace is over", async () => {
    const watcher = await listen("watcher", "topic=%24presence");
    for (let i = 0; i < 3; ++i) await hub.get("/sse/subscribe/polly?transport=poll&timeout=0");
    await told(watcher, came("watcher"), came("polly"), went("polly"));
  });

  test("is never kept, moves no cursor, and passes filters like any event", async () => {
    const watcher = await listen("watcher", "topic=%24presence");
    const silent = await listen("silent", "topic=%24presence&event=note");
    const filtered = await listen("filtered", "topic=%24presence&event=presence");
    await told(watcher, came("watcher"), came("silent"), came("filtered"));
    const { id } = await hub.send("/sse/send/watcher", "something");
    await watcher.has("something");
    const bob = await listen("bob");
    bob.drop();
    await told(watcher, came("watcher"), came("silent"), came("filtered"), came("bob"), went("bob"));
    await told(filtered, came("filtered"), came("bob"), went("bob"));
    assert.equal(watcher.cursor, id);
    assert.equal(await hub.position(), id);
    watcher.drop();
    const again = new Recorder("watcher", "topic=%24presence");
    again.cursor = "earliest";
    open.push(again);
    await again.connect(hub.url);
    await again.has("something");
    assert.deepEqual(again.gaps, []);
    assert.deepEqual(again.presence.filter(({ user }) => user !== "watcher"), []);
    assert.deepEqual(silent.presence, []);
  });

  test("comes by polls and to who is let join while open, too", async () => {
    const poll = hub.get("/sse/subscribe/polly?transport=poll&timeout=10000&topic=%24presence&event=presence");
    const [event] = (await poll).events;
    assert.deepEqual([event.event, JSON.parse(event.data), "id" in event && event.id], ["presence", came("polly"), false]);
    const late = await listen("late");
    await hub.post("/sse/topics/late?join=%24presence");
    await listen("bob");
    await until("bob to be told", () => late.presence.some(({ user }) => user === "bob"));
  });
});

describe("the page's list of who is online", { timeout: 200_000 }, () => {
  let browser, hub;
  before(async () => (browser = await launch_browser()));
  after(() => browser?.close());
  beforeEach(async () => (hub = await start_hub("--port", String(await free_port()))));
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    await hub.stop();
  });
  const open = (path, options) => HubPage.open(browser, hub.url, path, options);
  const list_is = (page, ...users) =>
    until(`${users} in the list`, async () => (await page.users()).join() === users.join());

  test("is asked for once when the page is connected, and then pushed", async () => {
    const context = await browser.newContext({ baseURL: hub.url });
    const asked = [];
    context.on("request", (request) => request.url().includes("/sse/users") && asked.push(request.url()));
    const alice = await HubPage.in(context, "/?user=alice");
    await list_is(alice, "alice");
    const before = asked.length;
    const users = ["Zoe", "bob", "zo\u00eb", "\uffff", "\u{1f600}"];
    const recorders = [];
    for (const user of users) {
      const recorder = new Recorder(user);
      recorders.push(recorder);
      await recorder.connect(hub.url);
    }
    // By bytes, as the hub sorts them.
    await list_is(alice, "Zoe", "alice", "bob", "zo\u00eb", "\uffff", "\u{1f600}");
    assert.deepEqual(await alice.users(), await hub.users());
    await expect_text(alice.page.locator("#count"), "6 users");
    for (const recorder of recorders) recorder.drop();
    await list_is(alice, "alice");
    assert.equal(asked.length, before);
    // Nothing of it stands in the log.
    assert.deepEqual(await alice.sent(), []);
    assert.deepEqual(alice.errors, []);
  });

  test("is right again after the hub was away", async () => {
    const alice = await open("/?user=alice");
    const bob = new Recorder("bob");
    await bob.connect(hub.url);
    await list_is(alice, "alice", "bob");
    await hub.send("/sse/send/alice?retry=20", "come back soon");
    await until("the event", async () => (await alice.sent()).length === 1);
    await hub.kill();
    await alice.is("connecting");
    hub = await start_hub("--port", String(hub.port));
    const carol = new Recorder("carol");
    await carol.connect(hub.url);
    await list_is(alice, "alice", "carol");
    carol.drop();
    await list_is(alice, "alice");
  });

  test("is not believed from anybody else, and stays on with a filter", async () => {
    const alice = await open("/?user=alice&event=note");
    await list_is(alice, "alice");
    await hub.send("/sse/send/alice?event=presence", JSON.stringify(came("mallory")));
    await hub.send("/sse/send/alice?event=note", "a note");
    await until("both", async () => (await alice.sent()).length === 2);
    assert.deepEqual(await alice.users(), ["alice"]);
    const bob = new Recorder("bob");
    await bob.connect(hub.url);
    await list_is(alice, "alice", "bob");
    bob.drop();
    await list_is(alice, "alice");
  });

  test("says what was last known while the page is not connected", async () => {
    const alice = await open("/?user=alice");
    await list_is(alice, "alice");
    await alice.press("Disconnect");
    await expect_text(alice.page.locator("#count"), /last known/);
    await alice.connect("alice");
    await list_is(alice, "alice");
    await expect_text(alice.page.locator("#count"), "1 user");
  });

  test("with a token that allows it, and without one that does not", async () => {
    const secret = "a secret of more than 32 bytes, for tests";
    const strict = await start_hub("--subscribe-secret", secret, "--publish-token", "publisher");
    try {
      const claims = { sub: "alice", exp: seconds(600) };
      const plain = await HubPage.open(browser, strict.url, "/?user=alice&token=" + token(secret, claims));
      await plain.is("open");
      assert.deepEqual(await plain.users(), []);
      const full = token(secret, { ...claims, sub: "bob", topics: ["$presence"] });
      const page = await HubPage.open(browser, strict.url, "/?user=bob&token=" + full);
      await page.is("open");
      // It may hear of changes, though only publishers may ask who is there.
      await list_is(page, "bob");
      await plain.page.close();
      const again = await HubPage.open(browser, strict.url, "/?user=alice&token=" + token(secret, claims));
      await again.is("open");
      await list_is(page, "alice", "bob");
      assert.deepEqual([...plain.errors, ...page.errors, ...again.errors], []);
    } finally {
      for (const context of browser.contexts()) await context.close();
      await strict.stop();
    }
  });

  test("topics are chosen before and while the page is connected, and remembered", async () => {
    const alice = await open("/");
    const join = async (topic) => {
      await alice.box("Topic").fill(topic);
      await alice.press("Join");
    };
    const topics = () => alice.page.getByRole("list", { name: "Topics", exact: true }).locator("span").allTextContents();
    await join("room 7");
    await join("room 7");
    await alice.connect("alice");
    const listeners = (topic, ...users) =>
      until(`${users} to listen to ${topic}`, async () => (await hub.get(`/sse/users?topic=${topic}`)).join() === users.join());
    await listeners("room 7", "alice");
    await alice.send({ to: "Topic", recipient: "room 7", data: "in room 7" });
    await expect_text(alice.page.locator("#result"), /to 1 stream\./);
    await alice.send({ to: "Topic", recipient: "news", data: "not yet" });
    await join("news");
    await listeners("news", "alice");
    await alice.send({ to: "Topic", recipient: "news", data: "the news" });
    const heard = async (...data) => {
      await until(`${data}`, async () => (await alice.sent()).length >= data.length);
      assert.deepEqual((await alice.sent()).map((row) => row.data), data);
    };
    await until("the news", async () => (await alice.sent()).some(({ data }) => data === "the news"));
    assert.deepEqual(await topics(), ["room 7", "news"]);
    await alice.press("Leave room 7");
    await listeners("room 7");
    await alice.page.reload();
    await alice.is("open");
    assert.deepEqual(await topics(), ["news"]);
    await listeners("news", "alice");
    await alice.send({ to: "Topic", recipient: "news", data: "after a reload" });
    await heard("after a reload");
    await alice.send({ to: "Topic", recipient: "$presence", data: "x" });
    await expect_text(alice.page.locator("#result"), /the hub's own/);
    assert.deepEqual(alice.errors, []);
  });

  test("pictures with topics: light, dark, a phone", async () => {
    const folder = process.env.SCREENSHOTS;
    if (folder) mkdirSync(folder, { recursive: true });
    const looks = {
      light: { colorScheme: "light", viewport: { width: 1280, height: 800 } },
      dark: { colorScheme: "dark", viewport: { width: 1280, height: 800 } },
      phone: { colorScheme: "light", viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
    };
    for (const [name, options] of Object.entries(looks)) {
      const query = new URLSearchParams({ user: "alice" });
      for (const topic of ["room 7", "news", "a topic with a rather long name, as people choose", "x".repeat(120)]) {
        query.append("topic", topic);
      }
      const alice = await open("/?" + query, options);
      await alice.is("open");
      await list_is(alice, "alice");
      await alice.send({ to: "Topic", recipient: "room 7", event: "note", data: "Who is in here?" });
      await expect_text(alice.page.locator("#result"), /to 1 stream/);
      if (folder) await alice.page.screenshot({ path: `${folder}/topics-${name}.png`, fullPage: name === "phone" });
      const [content, window] = await alice.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(content <= window, `${name}: the page is ${content} px wide in a window of ${window} px`);
      await alice.page.close();
      await until("nobody online", async () => (await hub.count()).streams === 0);
    }
  });
});
