// No payload can forge an event: whatever is sent arrives as the data, or the name, of exactly one event as a parser of
// somebody else's reads it, or is refused with a clear 400.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { hostile_data, hostile_names, hostile_text, normalised, numbers } from "./support/hostile.mjs";
import { start_hub } from "./support/hub.mjs";
import { until } from "./support/until.mjs";

/// Reads the stream of `user`; `events` fills with what eventsource-parser makes of it.
async function listen(hub, user) {
  const { createParser } = await import("eventsource-parser");
  const controller = new AbortController();
  const response = await fetch(`${hub.url}/sse/subscribe/${user}`, { signal: controller.signal });
  const listener = { events: [], problems: [], stop: () => controller.abort() };
  const parser = createParser({
    onEvent: (event) => listener.events.push(event),
    onError: (error) => listener.problems.push(error),
  });
  (async () => {
    const decoder = new TextDecoder();
    for await (const piece of response.body) parser.feed(decoder.decode(piece, { stream: true }));
  })().catch((error) => controller.signal.aborted || listener.problems.push(error));
  await until("the greeting", () => listener.events.length === 1);
  listener.events.length = 0;
  /// All events up to and without the next one that is named `end`.
  listener.up_to_end = async () => {
    await until("the end", () => listener.events.at(-1)?.event === "end");
    assert.deepEqual(listener.problems, []);
    return listener.events.splice(0).slice(0, -1);
  };
  return listener;
}

describe("event injection", { timeout: 500_000 }, () => {
  let hub;
  let alice;
  before(async () => {
    hub = await start_hub("--max-queued-bytes", "16777216");
    alice = await listen(hub, "alice");
  });
  after(async () => {
    alice?.stop();
    await hub?.stop();
  });

  /// Sends and returns what arrived because of it: an event for 202, or the refusal.
  async function arrived(query, body) {
    const { status, json } = await hub.post("/sse/send/alice" + query, body);
    await hub.send("/sse/send/alice?event=end", "");
    const events = await alice.up_to_end();
    if (status === 202) {
      assert.equal(events.length, 1);
      assert.equal(events[0].id, json.id);
    } else {
      assert.deepEqual(events, []);
      assert.equal(typeof json.error, "string");
      assert.notEqual(json.error, "");
    }
    return { status, event: events[0] };
  }

  for (const [title, body, data] of hostile_data) {
    test(`as data: ${title}`, async () => {
      const { status, event } = await arrived("", body);
      assert.equal(status, data === undefined ? 400 : 202);
      if (data === undefined) return;
      assert.equal(event.data, data);
      assert.equal(event.event, undefined);
    });
  }

  for (const [title, encoded, name] of hostile_names) {
    test(`as a name: ${title}`, async () => {
      const { status, event } = await arrived("?event=" + encoded, "data");
      assert.equal(status, name === undefined ? 400 : 202);
      if (name === undefined) return;
      assert.equal(event.event ?? "message", name);
      assert.equal(event.data, "data");
    });
  }

  test("300 texts put together by chance, as data and as names", async () => {
    const number = numbers(20260118);
    for (let round = 0; round < 300; ++round) {
      const text = hostile_text(number, 30);
      const name = hostile_text(number, 3);
      const { status, event } = await arrived("?" + new URLSearchParams({ event: name }), text);
      const legal = !/[\r\n\0]/.test(name);
      assert.equal(status, legal ? 202 : 400, JSON.stringify(name));
      if (!legal) continue;
      assert.equal(event.data, normalised(text), JSON.stringify(text));
      assert.equal(event.event ?? "message", name || "message");
    }
  });

  test("one byte more than is accepted is refused, and nothing of it arrives", async () => {
    const { status } = await arrived("", "x".repeat(1_048_577));
    assert.equal(status, 413);
  });
});
