// Takes the pictures of the documents, of the hub and of examples that it starts for it.
//
//   HUB=... EXAMPLES=... CHROMIUM=... node pictures.mjs FOLDER
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { launch_browser } from "../../tests/web/support/browser.mjs";
import { start_hub } from "../../tests/web/support/hub.mjs";
import { HubPage } from "../../tests/web/support/hub_page.mjs";
import { start } from "../../tests/web/support/program.mjs";
import { until } from "../../tests/web/support/until.mjs";

const folder = process.argv[2];
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });

const wide = { viewport: { width: 1100, height: 800 }, deviceScaleFactor: 1.5, colorScheme: "light" };
const dark = { ...wide, colorScheme: "dark" };
const phone = { viewport: { width: 400, height: 760 }, deviceScaleFactor: 1.5, isMobile: true, hasTouch: true, colorScheme: "light" };
const take = (page, name) => page.screenshot({ path: join(folder, `${name}.png`), animations: "disabled" });
const browser = await launch_browser();

async function hub_pictures() {
  const hub = await start_hub();
  const alice = await HubPage.open(browser, hub.url, "/", wide);
  await take(alice.page, "hub_before");
  await alice.connect("team-alice");
  const bob = await HubPage.open(browser, hub.url, "/", dark);
  await bob.connect("team-bob");
  const seen = (page, count) => until(`${count} events`, async () => (await page.sent()).length >= count);

  await alice.send({ recipient: "team-bob", event: "note", data: "Lunch at one?" });
  await bob.send({ recipient: "team-alice", event: "note", data: "Gladly. Who else?" });
  await bob.send({ to: "Group", recipient: "team-", data: "Lunch at one, whoever likes" });
  await alice.send({ to: "Everybody", event: "news", data: "The canteen has strawberries." });
  await seen(alice, 3);
  await seen(bob, 3);
  await until("both in the list", async () => (await alice.users()).length === 2);
  await take(alice.page, "hub_two_users");

  await bob.press("Disconnect");
  await bob.is("closed");
  await alice.send({ recipient: "team-bob", event: "note", data: "We have gone ahead." });
  await alice.send({ recipient: "team-bob", event: "note", data: "There is a place for you at the window." });
  await bob.press("Connect");
  await bob.is("open");
  await seen(bob, 5);
  await take(bob.page, "hub_missed");

  const cleo = await HubPage.open(browser, hub.url, "/", phone);
  await cleo.connect("cleo");
  await hub.send("/sse/send/cleo?event=note", "On the train.");
  await seen(cleo, 1);
  await take(cleo.page, "hub_phone");
  await hub.stop();
}

/// Starts an example and opens its page.
async function example(name, options, look, path = "/") {
  const program = start(join(process.env.EXAMPLES, name), ["--port", "0", ...options]);
  const [, url] = await program.printed(/^listening on (http:\S+)\n/);
  const open = async (how, where = path) => {
    const page = await (await browser.newContext({ ...how, baseURL: url })).newPage();
    await page.goto(where);
    return page;
  };
  return { program, url, open, page: await open(look) };
}

async function chat_picture() {
  const { program, url, open, page } = await example("chat", [], wide);
  const come_in = async (tab, name, room) => {
    await tab.fill("#name", name);
    await tab.getByRole("button", { name: "Come in" }).click();
    await tab.fill("#room", room);
    await tab.getByRole("button", { name: "Enter", exact: true }).click();
    await until(`${name} in ${room}`, async () => (await tab.locator("#title").textContent()) === room);
  };
  await come_in(page, "anna", "garden");
  await come_in(await open(wide), "bob", "garden");
  const say = (name, text) =>
    fetch(`${url}/rooms/garden/messages?${new URLSearchParams({ name })}`, { method: "POST", body: text });
  await say("bob", "The roses are out.");
  await say("anna", "All of them? I saw two yesterday.");
  await say("bob", "All of them. Come and see.");
  const messages = page.getByRole("log", { name: "Messages in garden", exact: true });
  await until("the messages", async () => (await messages.locator(".text").count()) === 3);
  await take(page, "chat");
  await program.stop();
}

async function monitor_picture() {
  const { program, page } = await example("memory_monitor", ["--interval-ms", "40"], { ...wide, viewport: { width: 1100, height: 560 } });
  const points = async () => ((await page.locator("polyline.rss").getAttribute("points").catch(() => "")) ?? "").split(" ").length;
  await until("a line", async () => (await points()) > 15);
  await page.getByRole("button", { name: "Allocate 64 MiB" }).click();
  const before = await points();
  await until("the rise", async () => (await points()) > before + 15);
  await take(page, "memory_monitor");
  await program.stop();
}

try {
  await hub_pictures();
  await chat_picture();
  await monitor_picture();
} finally {
  await browser.close();
}
