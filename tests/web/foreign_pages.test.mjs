// What pages of other sites can do to a server that a person's browser can reach: nothing but link to its page and use
// its script, and those of listed origins what they are let. First the requests as a browser would make them, then
// Chromium itself.
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { after, afterEach, before, describe, test } from "node:test";
import { launch_browser } from "./support/browser.mjs";
import { start_example } from "./support/example.mjs";
import { start_hub } from "./support/hub.mjs";
import { start as start_program } from "./support/program.mjs";
import { until, within } from "./support/until.mjs";

/// The status, the head and the beginning of the body of an answer, which may be a stream.
async function ask(server, path, headers, method = "GET") {
  const request = http.request({ port: server.port, host: "127.0.0.1", path, method, headers, agent: false });
  request.end();
  const [response] = await once(request, "response");
  request.on("error", () => {});
  const { statusCode: status, headers: fields } = response;
  let text = "";
  if (status !== 200) for await (const piece of response.setEncoding("utf8")) text += piece;
  request.destroy();
  return { status, fields, text };
}

const foreign = (mode, dest) => ({ "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest });
const picture = foreign("no-cors", "image");
const script = foreign("no-cors", "script");
const link = foreign("navigate", "document");
const frame = foreign("navigate", "iframe");

describe("requests of foreign pages, without an origin", { timeout: 60_000 }, () => {
  const status_of = async (server, path, headers, method) => (await ask(server, path, headers, method)).status;

  test("the hub: everything is refused but a link to the page, and the script", async () => {
    const hub = await start_hub();
    const paths = ["/sse/subscribe/bob", "/sse/subscribe/bob?transport=poll&timeout=0", "/sse/subscribe/bob?transport=iframe",
      "/sse/users", "/sse/count", "/sse/position", "/metrics", "/healthz", "/sse/close/bob", "/sse/send/bob", "/sse/broadcast",
      "/nothing"];
    for (const path of paths) {
      for (const headers of [picture, script, frame, link, foreign("navigate", "object"), foreign("no-cors", "empty")]) {
        const { status, fields, text } = await ask(hub, path, headers);
        assert.equal(status, 403, path);
        assert.equal(fields["access-control-allow-origin"], undefined);
        assert.equal(typeof JSON.parse(text).error, "string");
        assert.equal(await status_of(hub, path, headers, "POST"), 403, path);
        assert.equal(await status_of(hub, path, headers, "HEAD"), 403, path);
      }
    }
    for (const path of ["/", "/?user=alice", "/?user=a&event=b"]) {
      assert.equal(await status_of(hub, path, link), 200, path);
      for (const headers of [picture, script, frame]) assert.equal(await status_of(hub, path, headers), 403, path);
    }
    for (const headers of [picture, script, frame, link]) assert.equal(await status_of(hub, "/spate.js", headers), 200);
    // A page of the same site, the address bar, and programs that are no browser pass.
    for (const site of ["same-origin", "same-site", "none"]) {
      assert.equal(await status_of(hub, "/sse/users", { "Sec-Fetch-Site": site }), 200);
    }
    assert.equal(await status_of(hub, "/sse/users", {}), 200);
    await hub.stop();
  });

  test("the hub: nobody is closed by a GET", async () => {
    const hub = await start_hub();
    const { status, fields } = await ask(hub, "/sse/close/bob", {});
    assert.equal(status, 405);
    assert.equal(fields.allow, "POST, OPTIONS");
    assert.equal(await status_of(hub, "/sse/close/bob", {}, "HEAD"), 405);
    assert.equal(await status_of(hub, "/sse/close/bob", {}, "POST"), 200);
    await hub.stop();
  });

  test("the hub: the page of the iframe transport belongs into frames of its own and of listed origins", async () => {
    const hub = await start_hub("--allow-origin", "https://app.example.org", "--allow-origin", "http://localhost:5173");
    const path = "/sse/subscribe/bob?transport=iframe";
    for (const headers of [{}, { "Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "same-origin" }]) {
      for (const method of ["GET", "HEAD"]) {
        const { status, fields } = await ask(hub, path, headers, method);
        assert.equal(status, 200);
        const ancestors = "frame-ancestors 'self' https://app.example.org http://localhost:5173";
        assert.equal(fields["content-security-policy"], ancestors);
      }
    }
    for (const dest of ["document", "frame", "embed", "object", "script", "empty", "", "iframe, document"]) {
      assert.equal(await status_of(hub, path, { "Sec-Fetch-Dest": dest, "Sec-Fetch-Site": "same-origin" }), 403, dest);
    }
    const { fields } = await ask(hub, "/sse/subscribe/bob", {});
    assert.equal(fields["content-security-policy"], undefined);
    await hub.stop();
  });

  const streams = { chat: "/events?name=anna&room=tea", deferred: "/deferred", download: "/events/bob", graceful_stop: "/events", memory_monitor: "/memory",
    own_server: "/events", ticker: "/ticker", token_stream: "/stats", trigger: "/events", words: "/words" };
  for (const [name, path] of Object.entries(streams)) {
    test(`${name}: pages of a listed origin may use it, and others not`, async () => {
      const example = await start_example(name, "--allow-origin", "https://app.example.org");
      const listed = await ask(example, path, { Origin: "https://app.example.org" });
      assert.equal(listed.status, 200);
      assert.equal(listed.fields["access-control-allow-origin"], "https://app.example.org");
      assert.equal(await status_of(example, path, { Origin: "https://other.example.org" }), 403);
      await example.stop();
    });

    test(`${name}: its page may be linked to, but not framed, and the rest is refused`, async () => {
      const example = await start_example(name);
      const page = await ask(example, "/?x=1", link);
      assert.equal(page.status, 200);
      assert.equal(page.fields["content-security-policy"], "frame-ancestors 'self'");
      assert.equal(await status_of(example, "/", picture), 403);
      assert.equal(await status_of(example, "/spate.js", script), 200);
      for (const headers of [picture, link, frame]) assert.equal(await status_of(example, path, headers), 403);
      await example.stop();
    });
  }
});

describe("header fields that foreign pages may set, --allow-header", { timeout: 60_000 }, () => {
  const app = "https://app.example.org";
  const other = "https://other.example.org";
  const usual = "Last-Event-ID, Authorization, Content-Type, Cache-Control";

  /// Runs `story` with what the hub answers to the preflight of a page of `origin` that names the fields `names`.
  const told = (what, options, story) =>
    test(what, async () => {
      const hub = await start_hub(...options);
      await story((origin, names) => {
        const named = names === undefined ? {} : { "Access-Control-Request-Headers": names };
        const headers = { Origin: origin, "Access-Control-Request-Method": "POST", ...named };
        return ask(hub, "/sse/send/bob", headers, "OPTIONS");
      });
      await hub.stop();
    });
  const vary = ({ fields }) => fields.vary.split(", ").sort();

  told("without the option: the usual ones, whatever the page names", ["--allow-origin", app], async (preflight) => {
    for (const names of ["x-mine", "last-event-id,x-mine", undefined]) {
      const { status, fields } = await preflight(app, names);
      assert.equal(status, 204);
      assert.equal(fields["access-control-allow-headers"], usual);
      assert.equal(fields.vary, "Origin");
    }
  });

  const two = ["--allow-origin", app, "--allow-header", "X-Mine", "--allow-header=X-More"];
  told("those that are named to the hub, besides the usual", two, async (preflight) => {
    for (const names of ["x-mine", "x-evil", undefined]) {
      const { fields } = await preflight(app, names);
      assert.equal(fields["access-control-allow-headers"], `${usual}, X-Mine, X-More`);
    }
  });

  const all = ["--allow-origin", app, "--allow-origin", "*", "--allow-header", "*", "--allow-header", "X-Mine"];
  told("*: all that a page of a listed origin names; of any other the listed ones", all, async (preflight) => {
    const listed = await preflight(app, "authorization,x-evil, no name,x-mine");
    assert.equal(listed.fields["access-control-allow-headers"], "authorization, x-evil, x-mine");
    assert.deepEqual(vary(listed), ["Access-Control-Request-Headers", "Origin"]);
    const named_none = await preflight(app);
    assert.equal(named_none.status, 204);
    assert.equal(named_none.fields["access-control-allow-headers"], undefined);
    const anybody = await preflight(other, "x-evil");
    assert.equal(anybody.fields["access-control-allow-origin"], "*");
    assert.equal(anybody.fields["access-control-allow-credentials"], undefined);
    assert.equal(anybody.fields["access-control-allow-headers"], `${usual}, X-Mine`);
  });

  told("nothing to pages of an origin that is not listed", ["--allow-origin", app, "--allow-header", "*"], async (preflight) => {
    const { status, fields } = await preflight(other, "last-event-id");
    assert.equal(status, 403);
    assert.deepEqual(Object.keys(fields).filter((name) => name.startsWith("access-control-")), []);
  });

  test("what is no name is refused and quoted", async () => {
    for (const name of ["", "a b", "X-Mine, X-More", "X:"]) {
      const hub = start_program(process.env.HUB, ["--port", "0", "--allow-header", name]);
      assert.equal(await within("its end", hub.exit), 2);
      assert.equal(hub.stderr, `hub: option --allow-header: "${name}" is no name of a field\n`);
    }
  });
});

describe("foreign pages in a browser", { timeout: 120_000 }, () => {
  let browser;
  before(async () => (browser = await launch_browser()));
  after(() => browser?.close());

  const running = [];
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    for (const stop of running.splice(0)) await stop();
  });

  async function start(...options) {
    const hub = await start_hub(...options);
    running.push(() => hub.stop());
    return hub;
  }

  /// A server of empty pages: to 127.0.0.1 of another origin but the same site, as `localhost` of another site.
  async function start_pages() {
    const server = http.createServer((_, response) => {
      response.setHeader("content-type", "text/html");
      response.end("<!DOCTYPE html><title>elsewhere</title><body>");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    running.push(() => (server.closeAllConnections(), server.close()));
    return server.address().port;
  }

  const open = async (url) => {
    const page = await (await browser.newContext()).newPage();
    await page.goto(url);
    return page;
  };

  /// Adds an element to the page, and returns "load" or "error".
  const add = (page, kind, url) =>
    page.evaluate(
      ([kind, url]) =>
        new Promise((resolve) => {
          const element = document.createElement(kind);
          element.onload = () => resolve("load");
          element.onerror = () => resolve("error");
          element.src = url;
          document.body.append(element);
        }),
      [kind, url],
    );

  test("pictures, scripts and frames of another site reach nobody", async () => {
    const hub = await start();
    const bob = await open(hub.url + "/?user=bob");
    await until("bob online", async () => (await hub.users()).join() === "bob");
    const page = await open(`http://localhost:${await start_pages()}/`);
    for (const path of ["/sse/close/bob", "/sse/send/bob", "/sse/subscribe/eve?transport=poll", "/sse/users"]) {
      assert.equal(await add(page, "img", hub.url + path), "error");
    }
    assert.equal(await add(page, "script", hub.url + "/sse/users"), "error");
    await add(page, "iframe", hub.url + "/sse/subscribe/eve?transport=iframe");
    // One who polled, or listened in the frame, would be there.
    assert.deepEqual(await hub.users(), ["bob"]);
    assert.equal(await bob.getByRole("status").textContent(), "open");
    // What is for all.
    assert.equal(await add(page, "script", hub.url + "/spate.js"), "load");
    assert.equal(await page.evaluate(() => typeof SpateEventSource), "function");
  });

  test("a page of a listed origin sets the fields that it may, and no others", async () => {
    const listed = await start_pages();
    const send = async (hub, name) => {
      const page = await open(`http://127.0.0.1:${listed}/`);
      const sending = ([url, field]) =>
        fetch(url, { method: "POST", body: "hello", headers: { [field]: "yes" } }).then(
          ({ status }) => status,
          () => "refused",
        );
      return page.evaluate(sending, [hub.url + "/sse/send/bob", name]);
    };
    const origin = ["--allow-origin", `http://127.0.0.1:${listed}`];
    const some = await start(...origin, "--allow-header", "X-Mine");
    assert.equal(await send(some, "X-Mine"), 202);
    assert.equal(await send(some, "X-Other"), "refused");
    const any = await start(...origin, "--allow-header", "*");
    assert.equal(await send(any, "X-Other"), 202);
  });

  test("a link from another site opens the page and connects", async () => {
    const hub = await start();
    const page = await open(`http://localhost:${await start_pages()}/`);
    await page.evaluate((url) => {
      const link = document.createElement("a");
      link.href = url;
      link.textContent = "to the hub";
      document.body.append(link);
    }, hub.url + "/?user=alice");
    await page.getByRole("link").click();
    await until("alice online", async () => (await hub.users()).join() === "alice");
    await until("an open stream", async () => (await page.getByRole("status").textContent()) === "open");
  });

  test("the page is nobody's frame but its own", async () => {
    const hub = await start();
    const shown_in_frame = async (host) => {
      const page = await open(`http://${host}:${await start_pages()}/`);
      await add(page, "iframe", hub.url + "/?user=framed");
      const [, frame] = page.frames();
      return frame.url().startsWith("chrome-error:") ? "blocked" : frame.locator("body").textContent();
    };
    // Of the same site, and of another.
    assert.equal(await shown_in_frame("127.0.0.1"), "blocked");
    assert.match(await shown_in_frame("localhost"), /^{"error":/);
    assert.deepEqual(await hub.users(), []);
  });

  test("the iframe transport fills frames of a listed origin, and no others", async () => {
    const listed = await start_pages();
    const unlisted = await start_pages();
    const hub = await start("--allow-origin", `http://127.0.0.1:${listed}`);
    const framed = async (port, user) => {
      const page = await open(`http://127.0.0.1:${port}/`);
      page.evaluate((url) => {
        const frame = document.createElement("iframe");
        frame.src = url;
        document.body.append(frame);
      }, `${hub.url}/sse/subscribe/${user}?transport=iframe`);
      await until("the frame's page", () => page.frames()[1] && !["", "about:blank"].includes(page.frames()[1].url()));
      return page.frames()[1].url();
    };
    assert.match(await framed(listed, "alice"), /^http:.*transport=iframe$/);
    await until("alice online", async () => (await hub.users()).join() === "alice");
    assert.equal(await framed(unlisted, "eve"), "chrome-error://chromewebdata/");
  });

  test("a window of its own is not filled by the iframe transport", async () => {
    const hub = await start();
    const page = await (await browser.newContext()).newPage();
    const response = await page.goto(hub.url + "/sse/subscribe/alice?transport=iframe&callback=stop");
    assert.equal(response.status(), 403);
    assert.deepEqual(await hub.users(), []);
  });
});
