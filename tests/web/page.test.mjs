// The hub's page in Chromium: what a person does and sees.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { launch_browser } from "./support/browser.mjs";
import { start_proxy } from "./support/cutting_proxy.mjs";
import { expect_text } from "./support/expect_text.mjs";
import { free_port } from "./support/free_port.mjs";
import { start_hub } from "./support/hub.mjs";
import { seconds, token } from "./support/jwt.mjs";
import { HubPage } from "./support/hub_page.mjs";
import { until } from "./support/until.mjs";

describe("the hub's page", { timeout: 500_000 }, () => {
  let browser;
  let hub;
  before(async () => (browser = await launch_browser()));
  after(() => browser?.close());
  beforeEach(async () => (hub = await start_hub("--port", String(await free_port()))));
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    await hub.stop();
  });

  const open = (path, options) => HubPage.open(browser, hub.url, path, options);
  const result = (page) => page.page.locator("#result");
  /// Disconnects the only page that is connected.
  const leave = async (page) => {
    await page.press("Disconnect");
    await page.is("closed");
    await until("nobody online", async () => (await hub.count()).streams === 0);
  };

  test("/?user=alice connects at once, and asks nobody but the hub for anything", async () => {
    const context = await browser.newContext({ baseURL: hub.url });
    const asked = [];
    context.on("request", (request) => asked.push(request.url()));
    const alice = await HubPage.in(context, "/?user=alice");
    await alice.is("open");
    assert.equal(await alice.box("User").inputValue(), "alice");
    await until("alice in the list", async () => (await alice.users()).join() === "alice");
    assert.deepEqual(asked.filter((url) => !url.startsWith(hub.url + "/") && !url.startsWith("data:")), []);
    assert.deepEqual(alice.errors, []);
  });

  test("it is closed until a person connects", async () => {
    const page = await open("/");
    await page.is("closed");
    assert.deepEqual(await hub.count(), { users: 0, streams: 0 });
    await page.press("Connect");
    await expect_text(page.page.locator("#trouble"), /user is empty/);
    await page.connect("zoë/1 %");
    assert.deepEqual(await hub.users(), ["zoë/1 %"]);
  });

  test("two pages send to a user, to a group and to everybody", async () => {
    const alice = await open("/?user=team-alice");
    const bob = await open("/?user=team-bob");
    const carol = await open("/?user=carol");
    for (const page of [alice, bob, carol]) await page.is("open");

    await alice.send({ recipient: "team-bob", event: "note", data: "one\ntwo" });
    await expect_text(result(alice), /^Sent as \S+ to 1 stream\.$/);
    await bob.send({ to: "Group", recipient: "team-", data: "for the team" });
    await expect_text(result(bob), /to 2 streams/);
    await bob.send({ to: "Everybody", event: "error", data: "<b>bold</b>" });
    await expect_text(result(bob), /to 3 streams/);

    const heard = async (page, count) => {
      await until(`${count} events`, async () => (await page.sent()).length >= count);
      return (await page.sent()).map(({ name, data }) => [name, data]);
    };
    assert.deepEqual(await heard(alice, 2), [["message", "for the team"], ["error", "<b>bold</b>"]]);
    assert.deepEqual(await heard(bob, 3), [["note", "one\ntwo"], ["message", "for the team"], ["error", "<b>bold</b>"]]);
    assert.deepEqual(await heard(carol, 1), [["error", "<b>bold</b>"]]);
    const [row] = await carol.sent();
    assert.match(row.time, /^\d\d:\d\d:\d\d\.\d{3}$/);
    assert.notEqual(row.id, "");
    // An event that is named `error` is no error of the connection.
    await carol.is("open");
    await until("three in the list", async () => (await carol.users()).join() === "carol,team-alice,team-bob");
    for (const page of [alice, bob, carol]) assert.deepEqual(page.errors, []);
  });

  test("the count stays exact over reloads and a second tab", async () => {
    const alice = await open("/?user=alice");
    await alice.is("open");
    for (let reload = 0; reload < 5; ++reload) {
      await alice.page.reload();
      await alice.is("open");
    }
    const settled = (users, streams) =>
      until(`${users} users, ${streams} streams`, async () => {
        const count = await hub.count();
        return count.users === users && count.streams === streams;
      });
    await settled(1, 1);
    const second = await HubPage.in(alice.page.context(), "/?user=alice");
    await second.is("open");
    await settled(1, 2);
    await second.page.reload();
    await second.is("open");
    await settled(1, 2);
    await expect_text(second.page.locator("#count"), "1 user");
    await alice.send({ recipient: "alice", data: "both" });
    await expect_text(result(alice), /to 2 streams/);
    // The first tab goes, the second stays, and stays reachable.
    await alice.page.close();
    await settled(1, 1);
    await hub.send("/sse/send/alice", "still here");
    await until("the event", async () => (await second.sent()).some(({ data }) => data === "still here"));
  });

  test("the user is gone within a second after the page was closed", async () => {
    const alice = await open("/?user=alice");
    const bob = await open("/?user=bob");
    await alice.is("open");
    await bob.is("open");
    const closed = performance.now();
    await alice.page.close();
    await until("alice to be gone", async () => !(await hub.users()).includes("alice"), 1000);
    assert.ok(performance.now() - closed < 1000);
    assert.deepEqual(await hub.users(), ["bob"]);
    await until("bob's list to say so", async () => (await bob.users()).join() === "bob");
  });

  test("Disconnect ends the stream and Connect begins another, also as somebody else", async () => {
    const page = await open("/?user=alice");
    await page.is("open");
    await leave(page);
    await page.connect("bob");
    await page.connect("carol");
    await until("carol alone", async () => (await hub.users()).join() === "carol");
    // The address has followed, so a reload comes back as the same user.
    await page.page.reload();
    await page.is("open");
    assert.equal(await page.box("User").inputValue(), "carol");
  });

  test("who disconnects and connects again as the same user gets what was sent meanwhile, once", async () => {
    const page = await open("/?user=alice");
    await page.is("open");
    await hub.send("/sse/send/alice", "seen");
    await until("the first event", async () => (await page.sent()).length === 1);
    await leave(page);
    await hub.send("/sse/send/alice", "missed");
    await page.connect("alice");
    await until("the missed event", async () => (await page.sent()).length === 2);
    await hub.send("/sse/send/alice", "live");
    await until("the last event", async () => (await page.sent()).length === 3);
    assert.deepEqual((await page.sent()).map(({ data }) => data), ["seen", "missed", "live"]);
    // Another user begins now: the cursor was alice's.
    await hub.send("/sse/broadcast", "to whom it was sent");
    await until("the broadcast", async () => (await page.sent()).length === 4);
    await leave(page);
    await hub.send("/sse/broadcast", "not for bob");
    await page.connect("bob");
    await hub.send("/sse/send/bob", "for bob");
    await until("bob's event", async () => (await page.sent()).at(-1).data === "for bob");
    assert.equal((await page.sent()).length, 5);
  });

  test("Close ends the recipient's streams, and a page so closed does not come back", async () => {
    const alice = await open("/");
    // Timers run when the test says so from here on.
    await alice.page.clock.install();
    await alice.page.goto("/?user=alice");
    await alice.is("open");
    const subscriptions = [];
    alice.page.on("request", (request) => request.url().includes("/sse/subscribe/") && subscriptions.push(request.url()));
    const bob = await open("/?user=bob");
    await bob.is("open");
    await bob.box("Recipient").fill("alice");
    await bob.press("Close");
    await expect_text(result(bob), "Closed 1 stream.");
    await alice.is("closed");
    const [last] = (await alice.rows()).slice(-1);
    assert.equal(last.name, "closing");
    assert.match(last.data, /closed on purpose/);
    await alice.page.clock.runFor(120_000);
    await alice.is("closed");
    assert.deepEqual(subscriptions, []);
    assert.deepEqual(await hub.users(), ["bob"]);
  });

  test("after a drop it resumes by itself, and nothing is lost or twice", async () => {
    const proxy = await start_proxy(hub.port);
    try {
      const alice = await HubPage.open(browser, proxy.url, "/?user=alice");
      await alice.is("open");
      const wanted = [];
      for (let number = 0; number < 300; ++number) {
        // `retry` on the first makes the page come back soon.
        const query = number === 0 ? "?retry=20" : "";
        const path = ["/sse/send/alice", "/sse/group/al", "/sse/broadcast"][number % 3];
        wanted.push({ id: (await hub.send(path + query, `event ${number}`)).id, data: `event ${number}` });
        if (number % 60 === 30) {
          await until("a connection", async () => (await hub.count()).streams === 1);
          assert.ok(proxy.cut() > 0);
          // Some cuts are seen by the page before the next event, some are not.
          if (number % 120 === 30) await until("another connection", async () => (await hub.count()).streams === 1);
        }
      }
      await until("the last event", async () => (await alice.sent()).at(-1)?.id === wanted.at(-1).id);
      assert.deepEqual((await alice.sent()).map(({ id, data }) => ({ id, data })), wanted);
      const rows = await alice.rows();
      assert.deepEqual(rows.filter(({ name }) => name === "gap"), []);
      assert.ok(rows.filter(({ name }) => name === "connected").length > 1);
      await alice.is("open");
    } finally {
      proxy.stop();
    }
  });

  test("the page says `connecting` while the hub is away, and tells the gap when it was started anew", async () => {
    const alice = await open("/?user=alice");
    await alice.is("open");
    const before_crash = await hub.send("/sse/send/alice?retry=20", "before");
    await until("the event", async () => (await alice.sent()).length === 1);
    await hub.kill();
    await alice.is("connecting");
    hub = await start_hub("--port", String(hub.port));
    await hub.send("/sse/send/alice", "after");
    await until("what was sent since", async () => (await alice.sent()).length === 2);
    await alice.is("open");
    const rows = await alice.rows();
    const gap = rows.find(({ name }) => name === "gap");
    assert.ok(gap.data.includes(before_crash.id), gap.data);
    assert.match(gap.data, /may be missing/);
    assert.equal(rows.filter(({ name }) => name === "gap").length, 1);
    assert.deepEqual((await alice.sent()).map(({ data }) => data), ["before", "after"]);
  });

  test("history that was trimmed is told as a gap, with what follows", async () => {
    await hub.stop();
    hub = await start_hub("--replay-events", "3");
    const proxy = await start_proxy(hub.port);
    try {
      const alice = await HubPage.open(browser, proxy.url, "/?user=alice");
      await alice.is("open");
      const last_seen = await hub.send("/sse/send/alice?retry=20", "seen");
      await until("the event", async () => (await alice.sent()).length === 1);
      proxy.refuse = true;
      proxy.cut();
      await alice.is("connecting");
      const ids = [];
      for (const number of [1, 2, 3, 4, 5]) ids.push((await hub.send("/sse/send/alice", String(number))).id);
      proxy.refuse = false;
      await until("the last event", async () => (await alice.sent()).at(-1)?.data === "5");
      assert.deepEqual((await alice.sent()).map(({ data }) => data), ["seen", "3", "4", "5"]);
      const [gap, ...others] = (await alice.rows()).filter(({ name }) => name === "gap");
      assert.equal(others.length, 0);
      assert.ok(gap.data.includes(last_seen.id) && gap.data.includes(ids[2]), gap.data);
    } finally {
      proxy.stop();
    }
  });

  test("a hub that goes down in peace says so, and the page comes back to the next", async () => {
    const alice = await open("/?user=alice");
    await alice.is("open");
    await hub.stop();
    await alice.is("connecting");
    assert.match((await alice.rows()).at(-1).data, /going down/);
    hub = await start_hub("--port", String(hub.port));
    await alice.is("open");
  });

  test("the hub's errors are shown in its own words", async () => {
    await hub.stop();
    hub = await start_hub("--publish-token", "correct horse");
    const alice = await open("/?user=alice");
    await alice.is("open");
    const { json } = await hub.post("/sse/send/alice", "x");
    await alice.send({ recipient: "alice", data: "x" });
    await expect_text(result(alice), json.error);
    await alice.send({ recipient: "alice", data: "x", token: "correct horse" });
    await expect_text(result(alice), /to 1 stream\./);
    await alice.send({ recipient: "alice", event: "gap", data: "x", token: "correct horse" });
    await expect_text(result(alice), /gap/);
    await alice.send({ recipient: "", data: "x", token: "correct horse" });
    await expect_text(result(alice), /recipient is empty/);
    await alice.press("Close");
    await expect_text(result(alice), /recipient is empty/);
    // A user that no hub admits: longer than 256 bytes.
    await alice.box("User").fill("x".repeat(257));
    await alice.press("Connect");
    await alice.is("closed");
    await expect_text(alice.page.locator("#trouble"), /^Not connected: ./);
  });

  test("the log keeps the newest 500 rows, and names and data stay text", async () => {
    const alice = await open("/?user=alice");
    await alice.is("open");
    const hostile = "<img src=x onerror=document.title='broken'></script>\u2028\0";
    await hub.send("/sse/send/alice?event=" + encodeURIComponent(hostile.slice(0, -1)), hostile);
    await until("the event", async () => (await alice.sent()).length === 1);
    const [row] = await alice.sent();
    assert.deepEqual([row.name, row.data], [hostile.slice(0, -1), hostile]);
    for (let number = 0; number < 600; ++number) await hub.send("/sse/send/alice", String(number));
    await until("the last event", async () => (await alice.sent()).at(-1)?.data === "599");
    const rows = await alice.sent();
    assert.equal(rows.length, 500);
    assert.equal(rows[0].data, "100");
    assert.equal(await alice.page.title(), "Spate hub");
    // The log has followed its end.
    const hidden = () => alice.log.evaluate((log) => log.scrollHeight - log.scrollTop - log.clientHeight);
    await until("the end of the log in view", async () => (await hidden()) < 40);
  });

  test("pictures: light, dark, a phone", async () => {
    const folder = process.env.SCREENSHOTS;
    if (folder) mkdirSync(folder, { recursive: true });
    const looks = {
      light: { colorScheme: "light", viewport: { width: 1280, height: 800 } },
      dark: { colorScheme: "dark", viewport: { width: 1280, height: 800 } },
      phone: { colorScheme: "light", viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
    };
    const bob = await open("/?user=bob");
    await bob.is("open");
    for (const [name, options] of Object.entries(looks)) {
      const alice = await open("/?user=alice&last_event_id=nonsense", options);
      await alice.is("open");
      await hub.send("/sse/send/alice?event=greeting", "Hello, Alice.\nA second line.");
      await hub.send("/sse/group/al", "For all whose name begins with al");
      await hub.send("/sse/broadcast?event=weather", JSON.stringify({ wind: "NW 5", rain: true }));
      await hub.send("/sse/send/alice?event=long", "longwordwithoutanyspace".repeat(30));
      await alice.send({ to: "Group", recipient: "bo", event: "note", data: "Supper is ready" });
      await expect_text(result(alice), /to 1 stream/);
      await until("both online", async () => (await alice.users()).join() === "alice,bob");
      if (folder) await alice.page.screenshot({ path: `${folder}/hub-${name}.png`, fullPage: name === "phone" });
      const [content, window] = await alice.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(content <= window, `${name}: the page is ${content} px wide in a window of ${window} px`);
      await alice.page.close();
    }
  });

  test("where subscribers have tokens, the page takes one from its box or from its own query", async () => {
    const secret = "a secret of more than 32 bytes, for tests";
    const strict = await start_hub("--subscribe-secret", secret, "--publish-token", "publisher");
    try {
      const alices = token(secret, { sub: "alice", exp: seconds(600) });
      const page = await HubPage.open(browser, strict.url, "/?user=alice");
      await page.is("closed");
      await expect_text(page.page.locator("#trouble"), /Not connected/);
      await page.box("Token").fill(alices);
      await page.press("Connect");
      await page.is("open");
      await page.send({ recipient: "alice", data: "hello", token: "publisher" });
      await until("hello in the log", async () => (await page.sent()).some(({ data }) => data === "hello"));
      await until("alice in the list", async () => (await page.users()).join() === "alice");

      const other = await HubPage.open(browser, strict.url, "/?user=alice&token=" + alices);
      await other.is("open");
      await other.box("User").fill("bob");
      await other.press("Connect");
      await other.is("closed");
      assert.doesNotMatch((await page.page.content()) + (await other.page.content()), /eyJ/);
      assert.deepEqual([...page.errors, ...other.errors], []);
    } finally {
      for (const context of browser.contexts()) await context.close();
      await strict.stop();
    }
  });

  test("a token to publish with is not passed on to a hub that asks subscribers for none", async () => {
    const page = await open("/");
    const asked = [];
    page.page.on("request", (request) => asked.push(request.url()));
    await page.box("Token").fill("publisher");
    await page.connect("alice");
    assert.ok(asked.some((url) => url.includes("/sse/subscribe/alice")));
    assert.ok(!asked.some((url) => url.includes("publisher")), asked.join());
  });
});
