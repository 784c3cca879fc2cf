// The examples' pages in Chromium: what a person does and sees, in light, in dark, and on a phone.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { after, afterEach, before, describe, test } from "node:test";
import { launch_browser } from "./support/browser.mjs";
import { start_example } from "./support/example.mjs";
import { expect_text } from "./support/expect_text.mjs";
import { free_port } from "./support/free_port.mjs";
import { until } from "./support/until.mjs";

const looks = {
  light: { colorScheme: "light", viewport: { width: 1024, height: 768 } },
  dark: { colorScheme: "dark", viewport: { width: 1024, height: 768 } },
  phone: { colorScheme: "light", viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
};

describe("the examples' pages", { timeout: 280_000 }, () => {
  let browser;
  before(async () => (browser = await launch_browser()));
  after(() => browser?.close());

  const running = [];
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    for (const example of running.splice(0)) await example.stop();
  });

  async function start(name, ...options) {
    const example = await start_example(name, ...options);
    example.name = name;
    running.push(example);
    return example;
  }

  /// Opens the example's page as one person's browser; nothing but the example may be asked for anything.
  async function open(example, path = "/", options = {}) {
    const context = await browser.newContext({ ...options, baseURL: example.url });
    const page = await context.newPage();
    const wrong = [];
    page.on("pageerror", (error) => wrong.push(error.message));
    page.on("request", (request) => {
      const url = request.url();
      if (!url.startsWith(example.url + "/") && !url.startsWith("data:") && !url.startsWith("blob:")) wrong.push(url);
    });
    await page.goto(path);
    return {
      page,
      wrong,
      press: (name) => page.getByRole("button", { name, exact: true }).click(),
      is: (state) => expect_text(page.locator("#state"), state),
      text: (selector, wanted) => expect_text(page.locator(selector), wanted),
    };
  }

  /// Does `use(tab)` in each look, then takes a picture and measures the page.
  async function in_each_look(example, path, use) {
    const folder = process.env.SCREENSHOTS;
    if (folder) mkdirSync(folder, { recursive: true });
    for (const [look, options] of Object.entries(looks)) {
      const tab = await open(example, path, options);
      await use(tab);
      if (folder) {
        await tab.page.screenshot({ path: `${folder}/${example.name}-${look}.png`, fullPage: look === "phone", animations: "disabled" });
      }
      const [content, window] = await tab.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(content <= window, `${look}: the page is ${content} px wide in a window of ${window} px`);
      assert.deepEqual(tab.wrong, []);
      await tab.page.context().close();
    }
  }

  const sentence = /^\s*The quick brown fox jumps over the lazy dog\.\s*$/;

  test("words: closes at the full stop and does not come back", async () => {
    const example = await start("words", "--interval-ms", "30");
    await in_each_look(example, "/", async (tab) => {
      const asked = [];
      tab.page.on("request", (request) => asked.push(new URL(request.url()).pathname));
      await tab.press("Said by a coroutine");
      await tab.text("#sentence", sentence);
      await tab.is("closed");
      await tab.press("Said by callbacks");
      await tab.text("#sentence", sentence);
      await tab.is("closed");
      // Longer than the client would wait before it comes back.
      await tab.page.waitForTimeout(1500);
      assert.deepEqual(asked, ["/words/coroutine", "/words"]);
    });
  });

  test("ticker: listens and rests", async () => {
    const example = await start("ticker", "--interval-ms", "50");
    await in_each_look(example, "/", async (tab) => {
      await tab.is("open");
      await tab.text("#newest", /^[0-9a-f-]{36}$/);
      await until("ten of them", async () => (await tab.page.locator("#earlier li").count()) === 10);
      await tab.press("Stop listening");
      await tab.is("closed");
      await tab.press("Listen");
      await tab.is("open");
    });
    await until("rest", () => /resting\n$/.test(example.program.stderr));
  });

  test("trigger: hears of the kinds that are ticked", async () => {
    const example = await start("trigger");
    await in_each_look(example, "/", async (tab) => {
      await tab.is("open");
      const trigger = async (kind) => {
        await tab.page.getByRole("combobox", { name: "Event type" }).fill(kind);
        await tab.press("Trigger");
        await tab.text("#result", /^Triggered/);
      };
      const log = () => tab.page.locator("#log b").allTextContents();
      await trigger("customer");
      await until("customer", async () => (await log()).join() === "customer");
      await tab.page.getByRole("checkbox", { name: "order" }).check();
      await tab.is("open");
      await until("the filter", async () => (await example.json(202, "/trigger?eventType=payment")).streams === 0);
      await trigger("order");
      await until("order", async () => (await log()).join() === "order,customer");
      await trigger("a\u00a0b".repeat(30));
      await tab.text("#result", "Triggered: 0 listening.");
    });
  });

  test("memory_monitor: draws what is kept and what comes", async () => {
    const example = await start("memory_monitor", "--interval-ms", "40");
    await in_each_look(example, "/", async (tab) => {
      await tab.is("open");
      await tab.text("#rss", /^\d+\.\d MiB$/);
      const rss = async () => parseFloat(await tab.page.locator("#rss").textContent());
      const points = async () => (await tab.page.locator("polyline.rss").getAttribute("points")).split(" ").length;
      await until("a line", async () => (await points()) > 10);
      const before = await rss();
      await tab.press("Allocate 64 MiB");
      await until("more memory", async () => (await rss()) > before + 50);
      await tab.page.waitForTimeout(400);
      await tab.press("Free all of it");
      await tab.text("#result", /^0\.0 MiB/);
      if (!process.env.SANITIZE) await until("less memory", async () => (await rss()) < before + 20);
      await tab.page.waitForTimeout(200);
    });
  });

  test("download: a pop-up offers the file, to the user who asked", async () => {
    const example = await start("download", "--rows", "20000", "--export-ms", "300");
    let users = 0;
    await in_each_look(example, "/", async (tab) => {
      const other = await open(example, "/?user=somebody-else");
      await other.is("open");
      await tab.page.getByRole("textbox", { name: "User" }).fill(`alice-${++users}`);
      await tab.press("Connect");
      await tab.is("open");
      await tab.press("Export that fails");
      await tab.text("#exports", /failed: /);
      await tab.press("Export");
      const offer = tab.page.getByRole("dialog", { name: "Your export is ready" });
      await offer.waitFor();
      const [download] = await Promise.all([
        tab.page.waitForEvent("download"),
        offer.getByRole("link", { name: "Download" }).click(),
      ]);
      assert.equal(download.suggestedFilename(), "export.csv");
      assert.match(readFileSync(await download.path(), "utf8"), /^row,user,square\r\n0,0,0\r\n/);
      assert.equal(await other.page.locator("#exports li").count(), 0);
      assert.deepEqual(other.wrong, []);
      await tab.press("Export");
      await offer.waitFor();
    });
  });

  test("deferred: the answers come when they are due", async () => {
    const example = await start("deferred");
    await in_each_look(example, "/", async (tab) => {
      await tab.press("After three seconds");
      await tab.press("Too late");
      await tab.press("Failing");
      await tab.is("open");
      await tab.text("#log", /my own value/);
      await tab.text("#log", /the work failed/);
      await tab.text("#log", /three seconds later/);
      await tab.is("closed");
    });
  });

  test("own_server: numbers from a stream that Boost.Beast handed over", async () => {
    const example = await start("own_server", "--interval-ms", "50");
    await in_each_look(example, "/", async (tab) => {
      await tab.is("open");
      await tab.text("#primes", /^[\d.,\s]+$/);
    });
  });

  test("graceful_stop: the page says goodbye and comes back", async () => {
    const port = ["--port", String(await free_port())];
    const example = await start("graceful_stop", ...port);
    await in_each_look(example, "/", async (tab) => {
      await tab.is("open");
      await tab.text("#number", /^\d+$/);
    });
    const tab = await open(example);
    await tab.is("open");
    await running.pop().stop();
    await tab.is("connecting");
    await tab.text("#log", /going down/);
    running.push(await start_example("graceful_stop", ...port));
    await tab.is("open");
    await tab.text("#log", /Back after \d\.\d s\./);
    await tab.text("#log", /started anew/);
    if (process.env.SCREENSHOTS) await tab.page.screenshot({ path: `${process.env.SCREENSHOTS}/graceful_stop-back.png` });
    assert.deepEqual(tab.wrong, []);
  });

  test("token_stream: word by word, stopped, refused, failed, whole", async () => {
    const example = await start("token_stream");
    const model = (tab, name) => tab.page.getByRole("combobox", { name: "Model" }).selectOption(name);
    await in_each_look(example, "/", async (tab) => {
      await tab.page.getByRole("textbox", { name: "Message" }).fill("word ".repeat(200));
      await tab.press("Ask");
      await tab.is("open");
      await tab.text("#answer", /^word word/);
      await tab.text("#stats", / 1 answer under way/);
      await tab.press("Stop");
      await tab.is("closed");
      await tab.text("#answer", /You stopped it\.$/);
      await tab.text("#stats", / 0 answers under way/);
      await model(tab, "refuse");
      await tab.press("Ask");
      await tab.text("#answer", /^this model refuses/);
      await model(tab, "fail");
      await tab.press("Ask");
      await tab.text("#answer", /^So far so\nthe model failed/);
      await tab.is("closed");
      await model(tab, "echo");
      await tab.page.getByRole("textbox", { name: "Message" }).fill("All of it at once.");
      await tab.page.getByRole("checkbox", { name: "stream" }).uncheck();
      await tab.press("Ask");
      await tab.text("#answer", "All of it at once.");
      await tab.is("closed");
      await tab.page.getByRole("checkbox", { name: "stream" }).check();
      await tab.page.getByRole("textbox", { name: "Message" }).fill("One word after another, until all of them are there.");
      await tab.press("Ask");
      await tab.text("#answer", "One word after another, until all of them are there.");
      await tab.is("closed");
    });
  });
});
