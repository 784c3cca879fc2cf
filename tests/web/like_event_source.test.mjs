// SpateEventSource beside the browser's own EventSource: the same answers, and whatever one tells the page and asks of
// the server, the other does too.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import http from "node:http";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { launch_browser } from "./support/browser.mjs";
import { until } from "./support/until.mjs";

const script = readFileSync(new URL("../../examples/common/spate.js", import.meta.url));
const stream = { "content-type": "text/event-stream" };
// Makes both come back soon, and is no event.
const soon = "retry: 10\n\n";

// [title, status, headers, body, how it ends]; the second request of a source is answered with 204.
const answers = [
  ["mixed line ends", 200, stream, "data: 1\r\rdata: 2\n\ndata: 3\r\n\r\ndata: 4\r\n\n" + soon],
  ["several lines of data, without colon, without value", 200, stream, "data: 1\ndata:\ndata\ndata:  2 \n\n" + soon],
  ["blocks without data", 200, stream, "event: note\nid: 3\n\ndata\n\n:x\n\nid: 4\n\n" + soon],
  ["names", 200, stream, "event: note\ndata: 1\n\nevent:\ndata: 2\n\nevent: message\ndata: 3\n\nEvent: note\ndata: 4\n\n" + soon],
  ["names of the interface's own events", 200, stream, "event: open\ndata: 1\n\nevent: error\ndata: 2\n\n" + soon],
  ["ids", 200, stream, "id: 1\ndata: a\n\ndata: b\n\nid: x\0y\ndata: c\n\nid:  2 \ndata: d\n\n" + soon],
  ["an id that is taken back", 200, stream, "id: 1\ndata: a\n\nid\ndata: b\n\n" + soon],
  ["an id that is no ASCII", 200, stream, "id: \u20AC\u00E9\u{1F30A}\ndata: a\n\n" + soon],
  ["an id in a block that is not finished", 200, stream, soon + "id: 1\ndata: a\n\nid: 2\ndata: b\n"],
  ["an id without an event", 200, stream, soon + "id: 7\n\n"],
  ["BOMs", 200, stream, "\uFEFFdata: 1\n\n\uFEFFdata: 2\n\ndata: \uFEFF3\n\n" + soon],
  ["NUL and control characters", 200, stream, "data: \0\x01\x7f\u0085\u2028\n\nda\0ta: x\n\n" + soon],
  ["bytes that are no UTF-8", 200, stream, Buffer.concat([Buffer.from("data: "), Buffer.from([0xff, 0xed, 0xa0, 0x80, 0xc0, 0x80]), Buffer.from("\n\n" + soon)])],
  ["retry that is no number", 200, stream, soon + "retry: 90000x\n\nretry: -90000\n\nretry: 1e9\n\nretry:\n\n"],
  ["retry with zeros in front", 200, stream, "retry: 000010\n\n"],
  ["an empty body", 200, stream, ""],
  ["a body that is cut", 200, stream, soon + "id: 5\ndata: now cut\n\ndata: y", "cut"],
  // Chromium refuses other character sets, although they mean nothing here (WHATWG 9.2.5).
  ["parameters of the type", 200, { "content-type": "text/event-stream;charset=UTF-8; x=y" }, "data: \u00E9\n\n" + soon],
  ["the type in capitals", 200, { "content-type": "TEXT/Event-Stream" }, "data: 1\n\n" + soon],
  ["another type", 200, { "content-type": "text/plain" }, "data: 1\n\n"],
  ["a type that only begins alike", 200, { "content-type": "text/event-streams" }, "data: 1\n\n"],
  ["no type", 200, {}, "data: 1\n\n"],
  ["204", 204, {}, ""],
  ["205", 205, stream, ""],
  ["206", 206, stream, "data: 1\n\n"],
  ["401", 401, stream, "data: 1\n\n"],
  ["500", 500, stream, "data: 1\n\n"],
  ["503 with Retry-After", 503, { ...stream, "retry-after": "0" }, ""],
  ...[301, 302, 303, 307, 308].map((status) => [`${status} to a stream`, status, { location: "?redirected" }, ""]),
];

describe("SpateEventSource is like EventSource", { timeout: 500_000 }, () => {
  let browser;
  let server;
  let page;
  const asked = new Map(); // by path: the headers of each request
  const to_cut = new Map(); // by path: the answer that waits for the page to have read all of it

  function answer(request, response) {
    const { pathname, search } = new URL(request.url, "http://server");
    if (pathname === "/page") return response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html>");
    if (pathname === "/spate.js") return response.writeHead(200, { "content-type": "text/javascript" }).end(script);
    if (pathname.startsWith("/cut/")) {
      to_cut.get(pathname.slice("/cut".length)).destroy();
      return response.end();
    }
    const [, number] = /^\/(\d+)-\w+$/.exec(pathname) ?? [];
    if (!number) return response.writeHead(404).end();
    const { accept, "last-event-id": cursor, "cache-control": cache } = request.headers;
    const requests = asked.get(pathname) ?? [];
    asked.set(pathname, [...requests, { accept, cursor, cache, method: request.method }]);
    if (search && requests.length === 1) return response.writeHead(200, stream).end("id: 9\ndata: redirected\n\n" + soon);
    if (requests.length > 0) return response.writeHead(204).end();
    const [, status, headers, body, end] = answers[number];
    response.writeHead(status, headers);
    if (end !== "cut") return response.end(body);
    response.write(body);
    to_cut.set(pathname, response);
  }

  before(async () => {
    server = http.createServer(answer).listen(0, "127.0.0.1");
    await once(server, "listening");
    browser = await launch_browser();
    page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${server.address().port}/page`);
    await page.addScriptTag({ url: "/spate.js" });
  });
  after(async () => {
    await browser?.close();
    server?.closeAllConnections();
    server?.close();
  });

  // All that a source tells until it is closed for good.
  const heard = (path, kind) =>
    page.evaluate(
      ([url, name]) =>
        new Promise((resolve) => {
          const source = name === "native" ? new EventSource(url) : new SpateEventSource(url, { transport: "sse" });
          const told = [["new", source.readyState, source.url.replace(/-\w+$/, ""), source.withCredentials]];
          const tell = (how) => (event) => {
            told.push([how, event.type, source.readyState, event.data, event.lastEventId, event.origin]);
            told.push([event.bubbles, event.cancelable, event.target === source, event.constructor.name]);
            if (event.data === "now cut") fetch("/cut" + url);
            // When all listeners have heard it.
            if (source.readyState === 2) setTimeout(() => resolve(told));
          };
          for (const event of ["open", "error", "message", "note"]) source.addEventListener(event, tell("listener"));
          for (const event of ["open", "error", "message"]) source["on" + event] = tell("handler");
          // One that hangs tells that too.
          setTimeout(() => resolve([...told, "not closed"]), 20_000);
        }),
      [path, kind],
    );

  for (const [number, [title]] of answers.entries()) {
    test(title, async () => {
      const [native, own] = await Promise.all([heard(`/${number}-native`, "native"), heard(`/${number}-own`, "own")]);
      assert.ok(!native.includes("not closed"));
      assert.deepEqual(own, native);
      await until("the requests", () => asked.get(`/${number}-own`).length === asked.get(`/${number}-native`).length);
      assert.deepEqual(asked.get(`/${number}-own`), asked.get(`/${number}-native`));
    });
  }

  test("the interface has the same shape", async () => {
    const [native, own] = await page.evaluate(() =>
      [EventSource, SpateEventSource].map((kind) => {
        const source = kind === EventSource ? new kind("/0-shape") : new kind("/0-shape", { transport: "sse" });
        source.close();
        source.close();
        const thrown = [() => new kind("http://["), () => new kind(), () => kind("/x")].map((call) => {
          try {
            call();
            return "nothing";
          } catch (error) {
            return error.name;
          }
        });
        return {
          thrown,
          constants: [kind.CONNECTING, kind.OPEN, kind.CLOSED, source.CONNECTING, source.OPEN, source.CLOSED],
          state: source.readyState,
          handlers: [source.onopen, source.onmessage, source.onerror],
          target: source instanceof EventTarget,
          credentials: new kind("/0-shape", { withCredentials: true, transport: "sse" }).withCredentials,
        };
      }),
    );
    assert.deepEqual(own, native);
  });
});
