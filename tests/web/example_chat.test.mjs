// Rooms in which people talk: over HTTP, and on the page in browsers of their own.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { launch_browser } from "./support/browser.mjs";
import { end_of, start_example } from "./support/example.mjs";
import { expect_text } from "./support/expect_text.mjs";
import { free_port } from "./support/free_port.mjs";
import { start } from "./support/program.mjs";
import { until } from "./support/until.mjs";

// Whether the chat under test can keep its messages in a file.
const with_sqlite = process.env.SQLITE === "1";

const texts = (events) => events.filter(({ event }) => event === "message").map(({ data }) => JSON.parse(data).text);
const query = (fields) => "?" + new URLSearchParams(fields);
const say = (chat, room, name, text, key) =>
  chat.post(202, `/rooms/${encodeURIComponent(room)}/messages` + query(key ? { name, key } : { name }), text);

for (const kept of with_sqlite ? ["in memory", "in a file"] : ["in memory"]) {
  describe(`the chat, with its messages ${kept}`, { timeout: 60_000 }, () => {
    let folder;
    let chat;
    before(async () => {
      folder = mkdtempSync(join(tmpdir(), "spate-test-"));
      chat = await start_example("chat", ...(kept === "in memory" ? [] : ["--history", join(folder, "chat.db")]));
    });
    after(async () => {
      await chat?.stop();
      rmSync(folder, { recursive: true });
    });

    const listen = (name, rooms, headers = {}) =>
      chat.listen("/events?" + new URLSearchParams([["name", name], ...rooms.map((room) => ["room", room])]), { headers });

    test("a message reaches those who are in the room, with who said it, where, when and under which key", async () => {
      const before = Date.now();
      const anna = await listen("anna", ["tea", "garden"]);
      const bob = await listen("bob", ["garden"]);
      await say(chat, "tea", "cleo", "<b>Milk?</b>\n\"yes\"", "key 1");
      const { id } = await say(chat, "garden", "cleo", "Rain!");
      const [tea, garden] = await until("two messages", () => {
        const heard = anna.events.filter(({ event }) => event === "message");
        return heard.length === 2 && heard;
      });
      const message = JSON.parse(tea.data);
      assert.ok(message.time >= before && message.time <= Date.now());
      assert.deepEqual(message, { room: "tea", name: "cleo", text: "<b>Milk?</b>\n\"yes\"", time: message.time, key: "key 1" });
      assert.equal(garden.id, id);
      await until("the message for both", () => texts(bob.events).length === 1);
      assert.deepEqual(texts(bob.events), ["Rain!"]);
      await anna.close();
      await bob.close();
    });

    test("whoever comes in is told the last fifty messages, as a stream and as JSON", async () => {
      for (let number = 1; number <= 60; ++number) await say(chat, "long", "cleo", String(number));
      const wanted = Array.from({ length: 50 }, (_, index) => String(index + 11));
      const late = await listen("late", ["long"]);
      await until("fifty messages", () => texts(late.events).length === 50);
      assert.deepEqual(texts(late.events), wanted);
      assert.equal(late.events[0].event, "connected");
      await late.close();
      const past = await chat.json(200, "/events" + query({ name: "late", room: "long", transport: "poll", timeout: 0 }));
      assert.deepEqual(texts(past.events), wanted);
    });

    test("a client that was away gets what it missed in its rooms, and nothing else", async () => {
      const first = await listen("anna", ["resume"]);
      await say(chat, "resume", "cleo", "heard");
      await until("a message", () => texts(first.events).length === 1);
      const cursor = first.events.findLast(({ id }) => id).id; // who is in the room may be told after it, without one
      await first.close();
      for (let number = 1; number <= 70; ++number) await say(chat, "resume", "cleo", `missed ${number}`);
      await say(chat, "elsewhere", "cleo", "not for this room");
      const second = await listen("anna", ["resume"], { "Last-Event-ID": cursor });
      await say(chat, "resume", "cleo", "live");
      await until("all of them", () => texts(second.events).length === 71);
      assert.deepEqual(texts(second.events), [...Array.from({ length: 70 }, (_, index) => `missed ${index + 1}`), "live"]);
      assert.deepEqual(second.events[0].event, "connected");
      assert.equal(JSON.parse(second.events[0].data).resumed, true);
      assert.ok(!second.events.some(({ event }) => event === "gap"));
      await second.close();
    });

    test("who is in a room is told on coming in, pushed from then on, and never kept", async () => {
      const anna = await listen("anna", ["hall"]);
      const { json: people } = await anna.named("people");
      assert.deepEqual(people, { room: "hall", people: ["anna"] });
      const bob = await listen("bob", ["hall"]);
      const again = await listen("bob", ["hall"]); // a second stream of his is no news
      assert.deepEqual((await bob.named("people")).json.people, ["anna", "bob"]);
      assert.deepEqual(await chat.json(200, "/rooms/hall/people"), ["anna", "bob"]);
      assert.deepEqual((await chat.json(200, "/rooms")).find(({ room }) => room === "hall"), { room: "hall", people: 2 });
      await bob.close();
      await again.close();
      const told = () => anna.events.filter(({ event }) => event === "presence").map(({ data }) => JSON.parse(data)).filter(({ name }) => name === "bob");
      await until("bob to be gone", () => told().length === 2);
      assert.deepEqual(told(), [{ room: "hall", name: "bob", here: true }, { room: "hall", name: "bob", here: false }]);
      assert.ok(anna.events.filter(({ event }) => event === "presence").every(({ id }) => id === undefined), "presence has an id");
      await anna.close();
      await until("nobody there", async () => (await chat.json(200, "/rooms/hall/people")).length === 0);
      assert.ok(!(await chat.json(200, "/rooms")).some(({ room }) => room === "hall"));
      const cleo = await listen("cleo", ["hall"]);
      await cleo.named("people");
      const others = cleo.events.filter(({ event, data }) => event === "presence" && JSON.parse(data).name !== "cleo");
      assert.deepEqual(others, [], "presence was kept");
      await cleo.close();
    });

    test("who types is told to those who listen, and to nobody who comes later", async () => {
      const anna = await listen("anna", ["desk"]);
      await anna.named("people");
      assert.equal((await chat.fetch("/rooms/desk/typing?name=bob", { method: "POST" })).status, 204);
      assert.deepEqual((await anna.named("typing")).json, { room: "desk", name: "bob" });
      const late = await listen("late", ["desk"]);
      await late.named("people");
      assert.ok(!late.events.some(({ event }) => event === "typing"));
      await anna.close();
      await late.close();
    });

    test("a room may be joined and left while the stream is open", async () => {
      const jo = await listen("jo", ["attic"]); // whose streams are counted
      await jo.named("people");
      assert.deepEqual(await chat.post(200, "/rooms/cellar/join?name=jo"), { streams: 1 });
      await say(chat, "cellar", "bob", "down here");
      await until("the message", () => texts(jo.events).length === 1);
      assert.deepEqual(await chat.post(200, "/rooms/cellar/leave?name=jo"), { streams: 1 });
      await say(chat, "cellar", "bob", "unheard");
      await say(chat, "attic", "bob", "up here");
      await until("the other message", () => texts(jo.events).length === 2);
      assert.deepEqual(texts(jo.events), ["down here", "up here"]);
      assert.deepEqual(await chat.post(200, "/rooms/cellar/join?name=nobody"), { streams: 0 });
      await jo.close();
    });

    test("what cannot be is refused, and why is said as JSON", async () => {
      const long = "n".repeat(65);
      const refused = [
        ["GET", "/events?room=tea", 400],
        ["GET", "/events?name=anna", 400],
        ["GET", "/events?name=anna&name=bob&room=tea", 400],
        ["GET", "/events?name=&room=tea", 400],
        ["GET", "/events?name=%20anna&room=tea", 400],
        ["GET", "/events?name=anna%0A&room=tea", 400],
        ["GET", "/events?name=%FF&room=tea", 400],
        ["GET", "/events?name=%C2%85&room=tea", 400],
        ["GET", `/events?name=${long}&room=tea`, 400],
        ["GET", "/events?name=anna&room=", 400],
        ["GET", `/events?name=anna&room=${long}`, 400],
        ["GET", "/events?name=anna" + "&room=a".repeat(33), 400],
        ["POST", "/rooms/tea/messages", 400, "hello"],
        ["POST", "/rooms/tea/messages?name=anna", 400, ""],
        ["POST", "/rooms/tea/messages?name=anna", 400, " \n\t"],
        ["POST", "/rooms/tea/messages?name=anna", 400, Buffer.from([0xff])],
        ["POST", "/rooms/tea/messages?name=anna", 413, "x".repeat(4001)],
        ["POST", `/rooms/tea/messages?name=anna&key=${long}`, 400, "hello"],
        ["POST", "/rooms/tea/messages?name=anna&key=%FF", 400, "hello"],
        ["POST", `/rooms/${long}/messages?name=anna`, 400, "hello"],
        ["POST", "/rooms/%FF/typing?name=anna", 400],
        ["POST", "/rooms/tea/typing", 400],
        ["POST", "/rooms/tea/join", 400],
        ["POST", "/rooms/tea/leave", 400],
        ["GET", "/rooms/%20/people", 400],
        ["GET", "/rooms/tea/messages?name=anna", 405],
        ["GET", "/nothing", 404],
      ];
      for (const [method, path, status, body] of refused) {
        const { error } = await chat.json(status, path, { method, body });
        assert.ok(error.length > 0, path);
      }
      await say(chat, "tea", "n".repeat(64), "x".repeat(4000), "k".repeat(64));
      await say(chat, "t e/ä", "zoë", "ok");
    });
  });
}

test("a file for the messages: refused where it cannot be used", async () => {
  const folder = mkdtempSync(join(tmpdir(), "spate-test-"));
  const file = join(folder, "not a history");
  writeFileSync(file, "something else");
  const program = start(join(process.env.EXAMPLES, "chat"), ["--port", "0", "--history", file]);
  assert.equal(await end_of(program), with_sqlite ? 1 : 2);
  assert.match(program.stderr, with_sqlite ? /^chat: .+\n$/ : /^chat: option --history: .*without SQLite.*\n$/);
  assert.equal(program.stdout, "");
  assert.equal(readFileSync(file, "utf8"), "something else");
  rmSync(folder, { recursive: true });
});

describe("the chat's page", { timeout: 280_000 }, () => {
  let browser;
  const running = [];
  before(async () => (browser = await launch_browser()));
  after(() => browser?.close());
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    for (const chat of running.splice(0)) await chat.stop();
  });

  async function start_chat(...options) {
    const chat = await start_example("chat", ...options);
    running.push(chat);
    return chat;
  }

  /// The page in a browser of one person's own.
  async function come(chat, name, rooms = ["tea"], options = {}) {
    const person = new Person(await browser.newContext({ ...options, baseURL: chat.url }), chat.url);
    await person.open("/?" + new URLSearchParams([["name", name], ...rooms.map((room) => ["room", room])]));
    await person.is("connected");
    return person;
  }

  class Person {
    constructor(context, url) {
      this.context = context;
      this.url = url;
      this.wrong = [];
    }
    async open(path) {
      this.page = await this.context.newPage();
      this.page.on("pageerror", (error) => this.wrong.push(error.message));
      this.page.on("request", (request) => {
        if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(this.url + "/")) this.wrong.push(request.url());
      });
      await this.page.goto(path);
    }
    is = (state) => expect_text(this.page.locator("#state"), state);
    log = (room = "tea") => this.page.getByRole("log", { name: `Messages in ${room}`, exact: true, includeHidden: true });
    box = () => this.page.getByRole("textbox", { name: /^Message to / });
    room = (name) => this.page.getByRole("list", { name: "Your rooms" }).getByRole("button", { name });
    shown = (room) => this.log(room).locator(".text").allTextContents();
    sent = (room) => this.log(room).locator(".message:not(.unsent) .text").allTextContents();
    people = (kind) => this.page.locator(`#people_list .${kind} bdi`).allTextContents();
    async say(text) {
      await this.box().fill(text);
      await this.box().press("Enter");
    }
    sees = (text, room) => until(`the message ${text}`, async () => (await this.sent(room)).includes(text));
  }

  test("two people talk, see each other type, and see who is there", async () => {
    const chat = await start_chat();
    const anna = await come(chat, "anna");
    const bob = await come(chat, "bob");
    await until("both in her list", async () => (await anna.people("here")).join() === "anna,bob");
    await until("both in his list", async () => (await bob.people("here")).join() === "anna,bob");

    await bob.box().pressSequentially("Hel");
    await expect_text(anna.page.locator("#typing"), "bob is typing…");
    assert.equal(await bob.page.locator("#typing").textContent(), "");
    await bob.box().pressSequentially("lo <b>anna</b>");
    await bob.box().press("Shift+Enter");
    await bob.box().pressSequentially("How are you?");
    await bob.page.getByRole("button", { name: "Send", exact: true }).click();
    await anna.sees("Hello <b>anna</b>\nHow are you?");
    await expect_text(anna.page.locator("#typing"), "");
    await anna.say("Well!");
    await bob.sees("Well!");

    // Own messages stand apart, once, with the time of the day.
    await until("her own message", async () => (await anna.sent()).length === 2);
    assert.equal(await anna.log().locator(".own").count(), 1);
    assert.equal(await anna.log().locator(".unsent").count(), 0);
    assert.match(await anna.log().locator(".own time").textContent(), /^\d{1,2}:\d\d/);
    assert.equal(await anna.log().locator("b").count(), 0);

    await bob.context.close();
    await until("bob away", async () => (await anna.people("here")).join() === "anna");
    assert.deepEqual(await anna.people("away"), ["bob"]);
    assert.deepEqual(anna.wrong, []);
  });

  test("the last fifty are there, then what comes; a reload changes nothing", async () => {
    const chat = await start_chat();
    for (let number = 1; number <= 60; ++number) await say(chat, "tea", "cleo", String(number));
    const anna = await come(chat, "anna", ["tea", "garden"]);
    const wanted = Array.from({ length: 50 }, (_, index) => String(index + 11));
    await until("fifty", async () => (await anna.sent()).length === 50);
    await say(chat, "tea", "cleo", "live");
    await anna.sees("live");
    assert.deepEqual(await anna.sent(), [...wanted, "live"]);
    await anna.page.reload();
    await anna.is("connected");
    await until("fifty again", async () => (await anna.sent()).length === 50);
    assert.deepEqual(await anna.sent(), [...wanted.slice(1), "live"]);
    // What was read before is not new.
    assert.equal(await anna.page.locator(".badge:visible").count(), 0);
    assert.deepEqual(anna.wrong, []);
  });

  test("rooms: unread messages are counted, drafts kept, others entered and left", async () => {
    const chat = await start_chat();
    const anna = await come(chat, "anna", ["tea", "garden"]);
    const bob = await come(chat, "bob", ["garden"]);
    await bob.say("one");
    await bob.say("two");
    await anna.room(/^garden.*2 unread messages/).waitFor();
    assert.match(await anna.page.title(), /^\(2\) tea/);
    await anna.box().fill("half a thou");
    await anna.room(/^garden/).click();
    assert.deepEqual(await anna.shown("garden"), ["one", "two"]);
    assert.equal(await anna.log("garden").getByRole("separator", { name: "New" }).count(), 1);
    await until("no more unread", async () => !/^\(/.test(await anna.page.title()));
    assert.equal(await anna.box().inputValue(), "");
    await anna.room(/Draft: half a thou/).click();
    assert.equal(await anna.box().inputValue(), "half a thou");

    await say(chat, "attic", "cleo", "dust");
    const enter = anna.page.getByRole("textbox", { name: "Room to enter" });
    await enter.fill("attic");
    await enter.press("Enter");
    await anna.sees("dust", "attic");
    await until("anna in the attic", async () => (await anna.people("here")).join() === "anna");
    // Who looks around finds it.
    await bob.page.getByRole("textbox", { name: "Room to enter" }).focus();
    await bob.page.getByRole("list", { name: "More rooms" }).getByRole("button", { name: /^attic/ }).click();
    await bob.say("and spiders");
    await anna.sees("and spiders", "attic");
    await until("both", async () => (await anna.people("here")).join() === "anna,bob");
    await anna.page.getByRole("button", { name: "Leave", exact: true }).click();
    await until("anna gone", async () => (await bob.people("here")).join() === "bob", 30_000);
    assert.equal(await anna.log("attic").count(), 0);
    assert.deepEqual([...anna.wrong, ...bob.wrong], []);
  });

  test("what is written while the server is away is sent when it is back, once", async () => {
    const port = String(await free_port());
    const chat = await start_chat("--port", port);
    const anna = await come(chat, "anna");
    await anna.say("before");
    await anna.sees("before");
    await chat.program.stop("SIGKILL");
    running.splice(0);
    await anna.is("connecting");
    await anna.page.getByText("What you write is sent when the connection is back.").waitFor();
    await anna.say("first");
    await anna.say("second");
    await anna.log().getByText("Not sent yet").first().waitFor();
    // They outlive a reload, too: this needs the page, which the server has.
    const again = await start_chat("--port", port);
    await anna.is("connected");
    await anna.sees("second");
    await until("nothing unsent", async () => (await anna.log().locator(".unsent").count()) === 0);
    assert.deepEqual((await anna.sent()).slice(-2), ["first", "second"]);
    // Of a server that keeps its messages in memory what it does not know any more is told.
    await anna.log().getByRole("separator", { name: "Messages may be missing here" }).waitFor();
    const past = await again.json(200, "/events" + query({ name: "bob", room: "tea", transport: "poll", timeout: 0 }));
    assert.deepEqual(texts(past.events), ["first", "second"]);
    assert.deepEqual(anna.wrong, []);
  });

  test("a message that the server refuses is shown as not sent, and can be discarded", async () => {
    const chat = await start_chat();
    const anna = await come(chat, "anna");
    await anna.say("ü".repeat(4000));
    await anna.log().getByText(/^Not sent: /).waitFor();
    await anna.page.reload();
    await anna.is("connected");
    await anna.log().getByText(/^Not sent: /).waitFor();
    await anna.log().getByRole("button", { name: "Discard" }).click();
    await anna.say("short");
    await anna.sees("short");
    assert.deepEqual(await anna.shown(), ["short"]);
  });

  test("a message that was sent twice under one key is shown once", async () => {
    const chat = await start_chat();
    const anna = await come(chat, "anna");
    await say(chat, "tea", "bob", "once", "k1");
    await say(chat, "tea", "bob", "once", "k1");
    await say(chat, "tea", "cleo", "another's", "k1");
    await anna.sees("another's");
    assert.deepEqual(await anna.sent(), ["once", "another's"]);
    await anna.page.reload();
    await anna.sees("another's");
    assert.deepEqual(await anna.sent(), ["once", "another's"]);
  });

  if (with_sqlite) {
    test("with --history a killed server goes on where it was: nothing is missing, nothing comes twice", async () => {
      const folder = mkdtempSync(join(tmpdir(), "spate-test-"));
      const options = ["--port", String(await free_port()), "--history", join(folder, "chat.db")];
      const chat = await start_chat(...options);
      const anna = await come(chat, "anna", ["tea", "garden"]);
      const bob = await come(chat, "bob", ["garden", "tea"]);
      await anna.say("one");
      await bob.sees("one", "tea");
      await chat.program.stop("SIGKILL");
      running.splice(0);
      await anna.is("connecting");
      const again = await start_chat(...options);
      await say(again, "garden", "cleo", "while they were coming back");
      await anna.is("connected");
      await bob.is("connected");
      await anna.say("two");
      await bob.sees("two", "tea");
      await bob.sees("while they were coming back", "garden");
      await anna.sees("while they were coming back", "garden");
      assert.deepEqual(await bob.sent("tea"), ["one", "two"]);
      assert.deepEqual(await anna.sent("tea"), ["one", "two"]);
      for (const person of [anna, bob]) {
        assert.equal(await person.page.locator(".line.gap").count(), 0);
        assert.deepEqual(person.wrong, []);
      }
      // Who comes only now has all of it.
      const dora = await come(again, "dora");
      await dora.sees("two");
      assert.deepEqual(await dora.sent(), ["one", "two"]);
      await until("all there", async () => (await dora.people("here")).join() === "anna,bob,dora");
      await again.stop();
      running.splice(0);
      rmSync(folder, { recursive: true });
    });
  }

  test("light, dark, and on a phone, where the lists lie over the messages", async () => {
    const folder = process.env.SCREENSHOTS;
    if (folder) mkdirSync(folder, { recursive: true });
    const chat = await start_chat();
    await say(chat, "tea", "bob", "Good morning! Is anybody about?");
    await say(chat, "tea", "bob", "The kettle is on.");
    await say(chat, "tea", "cleo", "https://example.org/" + "a-long-address-without-any-blanks/".repeat(5));
    const looks = {
      light: { colorScheme: "light", viewport: { width: 1180, height: 760 } },
      dark: { colorScheme: "dark", viewport: { width: 1180, height: 760 } },
      phone: { colorScheme: "light", viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
    };
    for (const [look, options] of Object.entries(looks)) {
      const person = await come(chat, "anna", ["tea", "garden"], options);
      await person.say(`Hello, ${look}`);
      await person.sees(`Hello, ${look}`);
      const measure = async () => {
        const [content, window, height, room] = await person.page.evaluate(() => [
          document.documentElement.scrollWidth, innerWidth, document.documentElement.scrollHeight, innerHeight]);
        assert.ok(content <= window, `${look}: the page is ${content} px wide in a window of ${window} px`);
        assert.ok(height <= room, `${look}: the page is ${height} px high in a window of ${room} px`);
      };
      await measure();
      if (folder) await person.page.screenshot({ path: `${folder}/chat-${look}.png`, animations: "disabled" });
      if (look === "phone") {
        await say(chat, "garden", "bob", "Rain!");
        await person.page.getByRole("button", { name: "Rooms, 1 unread message" }).click();
        await measure();
        await person.room(/^garden/).click();
        await person.sees("Rain!", "garden");
        await person.page.getByRole("button", { name: "People", exact: true }).click();
        await until("her in the list", async () => (await person.people("here")).join() === "anna");
        await person.page.keyboard.press("Escape");
        // It slides away, and is seen until it has.
        const list = person.page.getByRole("complementary", { name: "People in this room" });
        await until("the list away", async () => !(await list.isVisible()));
        // The focus is where it was.
        assert.equal(await person.page.evaluate(() => document.activeElement.id), "show_people");
        await measure();
      }
      assert.deepEqual(person.wrong, []);
      await person.context.close();
    }
  });

  test("it works by polling as well", async () => {
    const chat = await start_chat();
    const anna = new Person(await browser.newContext({ baseURL: chat.url }), chat.url);
    await anna.open("/?name=anna&room=tea&transport=poll");
    await anna.is("connected");
    const bob = await come(chat, "bob");
    await anna.say("by poll");
    await bob.sees("by poll");
    await bob.say("by stream");
    await anna.sees("by stream");
    assert.deepEqual(await anna.sent(), ["by poll", "by stream"]);
    assert.deepEqual(anna.wrong, []);
  });

  test("a name that cannot be is refused before anything else", async () => {
    const chat = await start_chat();
    const person = new Person(await browser.newContext({ baseURL: chat.url }), chat.url);
    await person.open("/");
    await person.page.getByRole("textbox", { name: "Your name" }).fill("ü".repeat(60));
    await person.page.getByRole("button", { name: "Come in" }).click();
    await expect_text(person.page.getByRole("alert"), /^the name of a person is 1 to 64 bytes/);
    await person.page.getByRole("textbox", { name: "Your name" }).fill("zoë");
    await person.page.getByRole("button", { name: "Come in" }).click();
    await person.is("connected");
    assert.deepEqual(await chat.json(200, "/rooms/lobby/people"), ["zoë"]);
    await person.page.getByRole("button", { name: "Sign out" }).click();
    await until("nobody there", async () => (await chat.json(200, "/rooms")).length === 0);
  });
});
