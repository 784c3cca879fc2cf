// SpateEventSource without a browser: the script runs in a context of its own whose fetch, clock and page the test
// plays itself, so that every answer arrives in just the pieces the test wants and no test waits for time to pass.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { World, encoder, settle } from "./support/world.mjs";

// The heard events of a stream that consists of `pieces`.
async function read(...pieces) {
  const world = new World();
  const source = world.source();
  await world.request.answer();
  for (const piece of pieces) await world.request.write(piece);
  source.close();
  return source.heard.filter((heard) => heard !== "open");
}

describe("SpateEventSource has the interface of EventSource", () => {
  test("the constants are on the class and on its instances, and cannot be changed", () => {
    const { SpateEventSource } = new World();
    for (const holder of [SpateEventSource, SpateEventSource.prototype]) {
      assert.deepEqual([holder.CONNECTING, holder.OPEN, holder.CLOSED], [0, 1, 2]);
      assert.throws(() => {
        "use strict";
        holder.OPEN = 7;
      }, TypeError);
    }
  });

  test("url is absolute, and what is no url is a SyntaxError", () => {
    const world = new World();
    assert.equal(world.source("events?x=1").url, "http://hub.test/events?x=1");
    assert.throws(() => world.source("http://["), { name: "SyntaxError" });
  });

  test("a source connects at once, asks for an event stream past all caches, and sends no cursor", () => {
    const world = new World();
    const source = world.source();
    assert.equal(source.readyState, 0);
    const { url, options, headers } = world.request;
    assert.equal(url, "http://hub.test/sse/subscribe/alice");
    assert.deepEqual({ ...headers }, { Accept: "text/event-stream" });
    assert.equal(options.cache, "no-store");
    assert.equal(options.credentials, "same-origin");
    assert.equal(source.withCredentials, false);
  });

  test("withCredentials sends them", () => {
    const world = new World();
    const source = new world.SpateEventSource("/x", { withCredentials: true, transport: "sse" });
    assert.equal(source.withCredentials, true);
    assert.equal(world.request.options.credentials, "include");
  });

  test("the head alone opens it (WHATWG 9.2.2)", async () => {
    const world = new World();
    const source = world.source();
    await world.request.answer(200, "Text/Event-Stream; charset=utf-8");
    assert.equal(source.readyState, 1);
    assert.deepEqual(source.heard, ["open"]);
  });

  test("handlers can be exchanged and taken away, and what is no function is none", async () => {
    const world = new World();
    const source = world.source();
    const calls = [];
    source.addEventListener("message", () => calls.push("listener"));
    source.onmessage = () => calls.push("first");
    source.onmessage = function () {
      calls.push(this === source ? "second" : "not itself");
    };
    await world.request.answer();
    await world.request.write("data: x\n\n");
    source.onmessage = "no function";
    assert.equal(source.onmessage, null);
    await world.request.write("data: x\n\n");
    assert.deepEqual(calls, ["listener", "second", "listener"]);
  });

  test("events are MessageEvents with the origin of the final url (WHATWG 9.2.2)", async () => {
    const world = new World();
    const source = world.source();
    const events = [];
    source.addEventListener("note", (event) => events.push(event));
    world.request.final_url = "https://elsewhere.test/stream";
    await world.request.answer();
    await world.request.write("id: 7\nevent: note\ndata: x\n\n");
    const [event] = events;
    assert.ok(event instanceof MessageEvent);
    assert.deepEqual([event.origin, event.lastEventId, event.data, event.type], ["https://elsewhere.test", "7", "x", "note"]);
  });

  test("a named event is no message, and a listener hears its own name only", async () => {
    const world = new World();
    const source = world.source();
    const calls = [];
    source.onmessage = ({ data }) => calls.push(data);
    await world.request.answer();
    await world.request.write("event: note\ndata: 1\n\nevent: message\ndata: 2\n\ndata: 3\n\n");
    assert.deepEqual(calls, ["2", "3"]);
  });

  test("after close() nothing is heard, not even the rest of a piece that has arrived", async () => {
    const world = new World();
    const source = world.source();
    source.onmessage = () => source.close();
    await world.request.answer();
    await world.request.write("data: 1\n\ndata: 2\n\n");
    assert.deepEqual(source.heard, ["open", ["message", "1", ""]]);
    assert.equal(source.readyState, 2);
    assert.ok(world.request.aborted);
    await world.pass(60_000);
    assert.equal(world.requests.length, 1);
  });

  test("after close() in onany the listeners do not hear the event", async () => {
    const world = new World();
    const source = world.source();
    let heard = false;
    source.onany = () => source.close();
    source.onmessage = () => (heard = true);
    await world.request.answer();
    await world.request.write("data: 1\n\n");
    assert.equal(source.readyState, 2);
    assert.equal(heard, false);
  });

  test("a listener or onany that throws does not harm the stream", async () => {
    const world = new World();
    const source = world.source();
    const heard = [];
    source.onany = ({ data }) => {
      heard.push(data);
      throw new Error("on purpose");
    };
    await world.request.answer();
    await world.request.write("data: 1\n\ndata: 2\n\n");
    assert.deepEqual(heard, ["1", "2"]);
    assert.equal(source.readyState, 1);
    await assert.rejects(world.pass(1), /on purpose/);
  });
});

describe("SpateEventSource reads event streams as WHATWG 9.2.6 says", () => {
  const cases = [
    ["the three ends of lines, mixed (WHATWG 9.2.5)", "data: 1\r\rdata: 2\n\ndata: 3\r\n\r\ndata: 4\r\n\n", ["1", "2", "3", "4"]],
    ["CRLF is one end of a line, not two", "data: 1\r\ndata: 2\r\n\r\n", ["1\n2"]],
    ["several lines of data are joined by LF", "data: 1\ndata:\ndata:2\n\n", ["1\n\n2"]],
    ["one space after the colon goes, a second stays (WHATWG 9.2.6)", "data:  x \n\n", [" x "]],
    ["a block without data is no event (WHATWG 9.2.6)", "event: x\nid: 1\n\ndata: y\n\n", ["y"]],
    ["data may be empty", "data\n\ndata:\n\n", ["", ""]],
    ["comments and unknown fields are passed over", ": data: x\nDATA: x\nfoo: x\n data: x\ndata: y\n\n", ["y"]],
    ["one BOM goes, a second spoils its line (WHATWG 9.2.6)", "\uFEFFdata: 1\n\n\uFEFFdata: 2\n\ndata: 3\n\n", ["1", "3"]],
    ["NUL and control characters survive (WHATWG 9.2.5)", "data: \0\x01\x7f\n\n", ["\0\x01\x7f"]],
    ["U+2028 ends no line", "data: a\u2028b\n\n", ["a\u2028b"]],
    ["bytes that are no UTF-8 become U+FFFD (WHATWG 9.2.5)", [...encoder.encode("data: "), 0xff, 0xed, 0xa0, 0x80, 10, 10], ["\uFFFD".repeat(4)]],
    ["an event that was not finished is none (WHATWG 9.2.6)", "data: 1\n\ndata: 2\n", ["1"]],
    ["a name is reset after its block", "event: a\n\ndata: x\n\n", ["x"]],
  ];
  for (const [title, stream, data] of cases) {
    test(title, async () => {
      assert.deepEqual((await read(stream)).map((heard) => heard[1]), data);
    });
    test(title + ", byte by byte", async () => {
      const bytes = typeof stream === "string" ? [...encoder.encode(stream)] : stream;
      assert.deepEqual((await read(...bytes.map((byte) => [byte]))).map((heard) => heard[1]), data);
    });
  }

  test("an id stays until it changes, and one with NUL is no id (WHATWG 9.2.6)", async () => {
    const stream = "id: 1\ndata: a\n\ndata: b\n\nid: 2\0\ndata: c\n\nid\ndata: d\n\nid: é\n\ndata: e\n\n";
    assert.deepEqual((await read(stream)).map((heard) => heard[2]), ["1", "1", "1", "", "é"]);
  });

  test("any name reaches onany, and its listener", async () => {
    assert.deepEqual((await read("event: *\ndata: x\n\nevent: open\ndata: y\n\n")).map((heard) => heard[0]), ["*", "open"]);
  });
});

describe("SpateEventSource comes back after a drop", () => {
  async function opened(text) {
    const world = new World();
    const source = world.source();
    await world.request.answer();
    if (text) await world.request.write(text);
    return { world, source, last: world.request };
  }

  for (const how of ["end", "cut"]) {
    test(`after the ${how} of a body it asks with the last id (WHATWG 9.2.3, 9.2.4)`, async () => {
      const { world, source, last } = await opened("id: é-5\ndata: x\n\nid: 6\ndata: not finis");
      await last[how]();
      assert.equal(source.readyState, 0);
      assert.deepEqual(source.heard.slice(2), ["lost"]);
      assert.equal(world.requests.length, 1);
      await world.pass(1000);
      // UTF-8, as bytes.
      assert.equal(world.request.headers["Last-Event-ID"], "Ã©-5");
      await world.request.answer();
      await world.request.write("data: y\n\n");
      assert.deepEqual(source.heard.slice(3), ["open", ["message", "y", "é-5"]]);
    });
  }

  test("an empty id takes the cursor back (WHATWG 9.2.6)", async () => {
    const { world, last } = await opened("id: 5\ndata: x\n\nid:\n\n");
    await last.end();
    await world.pass(1000);
    assert.equal("Last-Event-ID" in world.request.headers, false);
  });

  test("it waits as long as `retry` says, digits only (WHATWG 9.2.6)", async () => {
    const { world, last } = await opened("retry: 007000\n\nretry: 5s\n\nretry: -1\n\nretry:\n\n");
    await last.end();
    assert.equal(world.wait, 7000);
  });

  test("a wait longer than a timer can be is shortened, not skipped", async () => {
    const { world, last } = await opened("retry: 99999999999999\n");
    await last.end();
    assert.equal(world.wait, 2147483647);
  });

  test("failed attempts wait longer and longer up to a limit, and an opened stream begins anew", async () => {
    const { world, source, last } = await opened();
    await last.cut();
    const waits = [];
    for (let attempt = 0; attempt < 5; ++attempt) {
      waits.push(world.wait);
      await world.pass(world.wait);
      await world.request.refuse();
    }
    assert.deepEqual(waits, [1000, 2000, 4000, 8000, 8000]);
    await world.pass(world.wait);
    await world.request.answer();
    await world.request.end();
    assert.equal(world.wait, 1000);
    assert.deepEqual(source.heard.slice(-3), ["lost", "open", "lost"]);
  });

  test("a `retry` of zero does not make it storm a server that is down", async () => {
    const { world, last } = await opened("retry: 0\n");
    await last.cut();
    await world.pass(world.wait);
    await world.request.refuse();
    assert.equal(world.wait, 20);
  });

  test("close() in the error event ends it", async () => {
    const { world, source, last } = await opened();
    source.addEventListener("error", () => source.close());
    await last.end();
    assert.equal(source.readyState, 2);
    assert.equal(world.timers.size, 0);
  });

  test("close() while it waits ends it", async () => {
    const { world, source, last } = await opened();
    await last.end();
    assert.equal(world.timers.size, 1);
    source.close();
    assert.equal(world.timers.size, 0);
  });

  const refusals = [
    [204, "text/event-stream"],
    [500, "text/event-stream"],
    [200, "text/html"],
    [200, "text/event-streams"],
    [200, ""],
  ];
  for (const [status, type] of refusals) {
    test(`${status} with '${type}' closes it for good (WHATWG 9.2.2)`, async () => {
      const world = new World();
      const source = world.source();
      await world.request.answer(status, type);
      assert.equal(source.readyState, 2);
      assert.deepEqual(source.heard, ["failed"]);
      await world.pass(60_000);
      assert.equal(world.requests.length, 1);
    });
  }

  test("a refusal tells the server's reason", async () => {
    const world = new World();
    const source = world.source();
    await world.request.answer(403, "application/json", '{"error":"not for you"}');
    await settle();
    assert.deepEqual([source.error.status, source.error.message], [403, "not for you"]);
  });
});

describe("SpateEventSource by polling", () => {
  const poll = (world) => world.source("/sse/subscribe/alice?event=a", { transport: "poll" });

  test("asks at once first, then waits, with its cursor and one name for itself", async () => {
    const world = new World();
    const source = poll(world);
    const first = world.request;
    assert.equal(first.query.get("transport"), "poll");
    assert.equal(first.query.get("timeout"), "0");
    assert.equal(first.query.get("event"), "a");
    assert.equal(first.query.has("last_event_id"), false);
    await first.json({ events: [], last_event_id: "5" });
    assert.deepEqual(source.heard, ["open"]);
    assert.equal(source.readyState, 1);
    assert.equal(world.requests.length, 2);
    assert.equal(world.request.query.has("timeout"), false);
    assert.equal(world.request.query.get("last_event_id"), "5");
    assert.match(world.request.query.get("client"), /^[0-9a-z]+$/);
    assert.equal(world.request.query.get("client"), first.query.get("client"));
    assert.notEqual(poll(world) && world.request.query.get("client"), first.query.get("client"));
  });

  test("dispatches what an answer holds in order; an element without id keeps the last", async () => {
    const world = new World();
    const source = poll(world);
    await world.request.json({
      events: [
        { event: "gap", data: "{}" },
        { id: "6", event: "message", data: "x" },
        { id: "8", event: "note", data: "y", retry: 40 },
      ],
      last_event_id: "9",
    });
    assert.deepEqual(source.heard, ["open", ["gap", "{}", ""], ["message", "x", "6"], ["note", "y", "8"]]);
    assert.equal(world.request.query.get("last_event_id"), "9");
  });

  test("an answer that was cut is asked for again, and none of it is used", async () => {
    const world = new World();
    const source = poll(world);
    await world.request.json({ events: [], last_event_id: "5" });
    await world.request.answer(200, "application/json");
    await world.request.write('{"events":[{"id":"6","event":"message","data":"x"}');
    await world.request.cut();
    assert.deepEqual(source.heard, ["open", "lost"]);
    await world.pass(1000);
    assert.equal(world.request.query.get("last_event_id"), "5");
    assert.equal(world.request.query.get("timeout"), "0");
  });

  test("empty answers that come too soon do not make it ask without rest", async () => {
    const world = new World();
    const source = poll(world);
    await world.request.json({ events: [], last_event_id: "5" });
    await world.request.json({ events: [], last_event_id: "5" });
    assert.equal(world.requests.length, 2);
    assert.equal(world.wait, 1000);
    await world.pass(1000);
    assert.equal(world.requests.length, 3);
    world.now += 25_000;
    await world.request.json({ events: [], last_event_id: "5" });
    assert.equal(world.requests.length, 4);
    // Closed while it rests, it asks no more.
    await world.request.json({ events: [], last_event_id: "5" });
    source.close();
    assert.equal(world.timers.size, 0);
  });

  test("close() ends the poll that waits, and the rest of an answer is not heard", async () => {
    const world = new World();
    const source = poll(world);
    source.onmessage = () => source.close();
    const events = ["1", "2"].map((id) => ({ id, event: "message", data: id }));
    await world.request.json({ events, last_event_id: "2" });
    assert.deepEqual(source.heard, ["open", ["message", "1", "1"]]);
    assert.equal(world.requests.length, 1);
    assert.equal(world.timers.size, 0);
  });

  test("any other answer closes it for good", async () => {
    const world = new World();
    const source = poll(world);
    await world.request.answer(401, "application/json", '{"error":"no token"}');
    await settle();
    assert.equal(source.readyState, 2);
    assert.equal(source.error.message, "no token");
  });
});

describe("SpateEventSource by a hidden frame", () => {
  function framed() {
    const world = new World({ page: true });
    const source = world.source("/sse/subscribe/alice", { transport: "iframe" });
    return { world, source };
  }

  test("the frame's calls are events, and the last id is in the query of the next frame", async () => {
    const { world, source } = framed();
    const url = new URL(world.frame.src);
    assert.equal(url.searchParams.get("transport"), "iframe");
    assert.match(url.searchParams.get("callback"), /^[A-Za-z0-9_]{1,64}$/);
    assert.equal(url.searchParams.has("last_event_id"), false);
    assert.equal(world.frame.hidden, true);
    await world.call({ id: "4", event: "connected", data: "{}" });
    await world.call({ id: "5", event: "message", data: "x", retry: 300 });
    assert.deepEqual(source.heard, ["open", ["connected", "{}", "4"], ["message", "x", "5"]]);
    world.frame.onload();
    assert.equal(source.readyState, 0);
    assert.equal(world.frames.length, 0);
    await world.pass(300);
    assert.equal(new URL(world.frame.src).searchParams.get("last_event_id"), "5");
  });

  test("the scripts of events do not pile up in the frame", async () => {
    const { world } = framed();
    let removed = 0;
    world.frame.contentDocument.currentScript = { remove: () => (removed += 1) };
    await world.call({ id: "1", event: "message", data: "x" });
    await world.call({ id: "2", event: "message", data: "y" });
    assert.equal(removed, 2);
  });

  test("a quiet page that has arrived counts as open", async () => {
    const { world, source } = framed();
    await world.arrive();
    assert.deepEqual(source.heard, ["open"]);
  });

  test("a refusal in JSON closes it for good, with its reason", async () => {
    const { world, source } = framed();
    world.frame.contentDocument = {
      URL: world.frame.src,
      contentType: "application/json",
      body: { textContent: '{"error":"not you"}' },
    };
    world.frame.onload();
    assert.deepEqual([source.readyState, source.error.message], [2, "not you"]);
  });

  test("a frame that never arrives is given up and tried again", async () => {
    const { world, source } = framed();
    await world.pass(15_250);
    assert.deepEqual(source.heard, ["lost"]);
    await world.pass(1000);
    assert.equal(world.frames.length, 1);
  });

  test("a frame that shows no sign gives way to one that goes on from the same place, unnoticed", async () => {
    const { world, source } = framed();
    const first = world.frame;
    await world.call({ id: "4", event: "connected", data: "{}" });
    await world.pass(4250);
    assert.equal(world.frames.length, 2);
    assert.equal(new URL(world.frame.src).searchParams.get("last_event_id"), "4");
    // Whatever the first still says comes by the second, too.
    await world.call({ id: "5", event: "message", data: "x" }, first);
    await world.call({ id: "4", event: "connected", data: "{}" });
    assert.deepEqual(world.frames.includes(first), false);
    await world.call({ id: "5", event: "message", data: "x" });
    assert.deepEqual(source.heard, ["open", ["connected", "{}", "4"], ["connected", "{}", "4"], ["message", "x", "5"]]);
    assert.equal(source.readyState, 1);
  });

  test("silence is borne longer each time nothing was missed, and less when something was", async () => {
    const { world } = framed();
    await world.call({ id: "4", event: "connected", data: "{}" });
    const silences = [];
    for (let round = 0; round < 6; ++round) {
      const before = world.frame;
      const begun = world.now;
      while (world.frame === before) await world.pass(250);
      silences.push(world.now - begun);
      await world.call({ id: "4", event: "connected", data: "{}" });
      if (round === 4) await world.call({ id: "5", event: "message", data: "missed" });
    }
    assert.deepEqual(silences, [4250, 8250, 16250, 32250, 60250, 4250]);
  });

  test("anything that comes into the page is a sign, and a slow heartbeat is learned", async () => {
    const { world } = framed();
    const first = world.frame;
    await world.arrive();
    for (const quiet of [3750, 7250, 14250, 28250]) {
      await world.pass(quiet);
      world.observers.at(-1).call();
    }
    assert.equal(world.frame, first);
  });

  test("a frame in the place of a silent one that cannot arrive means the connection is lost", async () => {
    const { world, source } = framed();
    await world.call({ id: "4", event: "connected", data: "{}" });
    await world.pass(4250);
    world.frame.onload();
    assert.deepEqual(source.heard.slice(2), ["lost"]);
    assert.equal(world.frames.length, 0);
  });

  test("close() leaves neither frame nor function nor timer", async () => {
    const { world, source } = framed();
    await world.call({ id: "1", event: "connected", data: "{}" });
    source.close();
    assert.equal(world.frames.length, 0);
    assert.equal(world.timers.size, 0);
    assert.deepEqual(Object.keys(world.self).filter((name) => name.startsWith("spate_")), []);
  });
});

describe("SpateEventSource chooses a transport that works", () => {
  test("an event stream it is, when a byte comes in time", async () => {
    const world = new World({ page: true });
    const source = world.source("/x", {});
    await world.request.answer();
    await world.request.write(":\n\n");
    await world.pass(60_000);
    assert.equal(source.transport, "sse");
    assert.deepEqual(source.heard, ["open"]);
  });

  test("a stream that is held back gives way to a frame, and that to polls", async () => {
    const world = new World({ page: true });
    const source = world.source("/x", {});
    const stream = world.request;
    await stream.answer();
    await world.pass(5000);
    assert.equal(source.transport, "iframe");
    assert.ok(stream.aborted);
    assert.deepEqual(source.heard, ["open", "lost"]);
    await world.pass(5000);
    assert.equal(source.transport, "poll");
    assert.equal(world.frames.length, 0);
    await world.request.json({ events: [], last_event_id: "5" });
    assert.deepEqual(source.heard, ["open", "lost", "open"]);
    await world.pass(60_000);
    assert.equal(source.transport, "poll");
  });

  test("a server that was away says nothing about transports", async () => {
    const world = new World({ page: true });
    const source = world.source("/x", {});
    await world.pass(5000);
    assert.equal(source.transport, "iframe");
    world.frame.onload();
    await world.pass(1000);
    assert.equal(source.transport, "sse");
  });

  test("once a transport has worked, silence is no reason to leave it", async () => {
    const world = new World({ page: true });
    const source = world.source("/x", {});
    await world.request.answer();
    await world.request.write(":\n\n");
    await world.request.end();
    await world.pass(60_000);
    assert.equal(source.transport, "sse");
    assert.equal(world.requests.length, 2);
  });

  test("another origin cannot be framed", async () => {
    const world = new World({ page: true });
    const source = world.source("http://elsewhere.test/x", {});
    await world.pass(5000);
    assert.equal(source.transport, "poll");
    assert.throws(() => world.source("http://elsewhere.test/x", { transport: "iframe" }), { name: "NotSupportedError" });
  });

  test("an unknown transport is a TypeError", () => {
    const world = new World();
    assert.throws(() => world.source("/x", { transport: "toString" }), { name: "TypeError" });
  });

  test("where bodies cannot be read as they arrive, EventSource does the work", async () => {
    const natives = [];
    class EventSource extends EventTarget {
      static CLOSED = 2;
      constructor(url, options) {
        super();
        natives.push(this);
        Object.assign(this, { url, options, readyState: 0 });
      }
      close() {
        this.readyState = 2;
      }
    }
    const world = new World({ without: ["ReadableStream"] });
    world.self.EventSource = EventSource;
    const source = world.source();
    const [native] = natives;
    native.dispatchEvent(new Event("open"));
    source.addEventListener("note", () => {});
    const fields = { data: "x", lastEventId: "3", origin: "http://hub.test" };
    native.dispatchEvent(new MessageEvent("note", fields));
    native.dispatchEvent(new MessageEvent("message", fields));
    native.dispatchEvent(new MessageEvent("error", fields));
    assert.equal(source.readyState, 1);
    native.dispatchEvent(new Event("error"));
    native.dispatchEvent(new Event("open"));
    const events = ["note", "message", "error"].map((name) => [name, "x", "3"]);
    assert.deepEqual(source.heard, ["open", ...events, "lost", "open"]);
    native.readyState = 2;
    native.dispatchEvent(new Event("error"));
    assert.equal(source.readyState, 2);
    assert.equal(natives.length, 1);
  });
});
