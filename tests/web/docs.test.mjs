// The site of the documents as its reader sees it: with its pictures, on a wide screen and on a phone.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch_browser } from "./support/browser.mjs";

const project = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "spate-docs-"));
const script = (name, ...args) =>
  execFileSync(process.execPath, [join(project, "cmake/docs", name), ...args], { stdio: ["ignore", "pipe", "pipe"] });

describe("the site of the documents", { timeout: 500_000 }, () => {
  let browser;
  let pages;
  before(async () => {
    script("pictures.mjs", join(folder, "pictures"));
    script("build.mjs", project, folder, join(folder, "pictures"));
    pages = readdirSync(join(folder, "site"), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".html"));
    browser = await launch_browser();
  });
  after(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  // The narrow one is no phone, which would zoom out until a page fits.
  const looks = {
    "a wide screen": { viewport: { width: 1280, height: 800 } },
    "a narrow one": { viewport: { width: 390, height: 844 }, colorScheme: "dark" },
  };
  for (const [look, options] of Object.entries(looks)) {
    test(`on ${look} pages have a title and a heading, fit, and ask for nothing that is not there`, async () => {
      const page = await (await browser.newContext(options)).newPage();
      const wrong = [];
      page.on("pageerror", (error) => wrong.push(error.message));
      page.on("requestfailed", (request) => wrong.push(request.url()));
      page.on("request", (request) => request.url().startsWith("file:") || wrong.push(request.url()));
      assert.ok(pages.length > 100);
      // What fits on the narrow one has room on the wide one, but for what the guides show.
      const looked_at = look === "a wide screen" ? pages.filter((name) => /^(index|guide)/.test(name)) : pages;
      assert.ok(looked_at.length > 10);
      for (const name of looked_at) {
        // With its pictures: one that is still asked for when the next page is opened has failed.
        await page.goto("file://" + join(folder, "site", name), { waitUntil: "load", timeout: 120_000 });
        const [title, heading, content, window] = await page.evaluate(() => [
          document.title,
          document.querySelector("h1, .title")?.textContent.trim(),
          document.documentElement.scrollWidth,
          innerWidth,
        ]);
        assert.match(title, /\S · Spate$/, name);
        assert.ok(heading, name);
        assert.ok(content <= window, `${name} is ${content} px wide in a window of ${window} px`);
      }
      assert.deepEqual(wrong, []);
    });
  }

  test("the hub's guide has its pictures", async () => {
    const page = await browser.newPage();
    await page.goto("file://" + join(folder, "site", "guide_hub.html"));
    const widths = await page.locator("img").evaluateAll((pictures) => pictures.map(({ naturalWidth }) => naturalWidth));
    assert.equal(widths.length, 6);
    for (const width of widths) assert.ok(width >= 600, `a picture is ${width} px wide`);
  });
});
