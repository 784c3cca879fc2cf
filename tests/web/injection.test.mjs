// No payload can forge an event: whatever is sent arrives as the data, or the name, of exactly one event as a parser of
// somebody else's reads it, or is refused with a clear 400.
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { after, before, describe, test } from "node:test";
import { hostile_data, hostile_names, hostile_text, hostile_texts, normalised, numbers } from "./support/hostile.mjs";
import { start_hub } from "./support/hub.mjs";
import { until } from "./support/until.mjs";

/// Every byte of `text` escaped, so that nothing on the way can have an opinion of it.
const escaped = (text) => [...Buffer.from(text)].map((byte) => "%" + byte.toString(16).padStart(2, "0")).join("");
const is_utf8 = (text) => Buffer.from(Buffer.from(text).toString("utf8")).equals(Buffer.from(text));
const string = (text) => Buffer.from(text).toString("utf8");

/// An answer with JSON to a request whose path is sent as it stands.
async function ask(hub, method, path, body = "") {
  const request = http.request({ port: hub.port, method, path, headers: { "content-length": Buffer.byteLength(body) } });
  request.end(body);
  const [response] = await once(request, "response");
  let text = "";
  for await (const piece of response.setEncoding("utf8")) text += piece;
  return { status: response.statusCode, json: JSON.parse(text) };
}

/// Reads the stream at `path`; `events` fills with what eventsource-parser makes of it. When it is refused, `status` and
/// `json` tell.
async function listen(hub, path, headers = {}) {
  const { createParser } = await import("eventsource-parser");
  const request = http.get({ port: hub.port, path, headers, agent: false });
  const [response] = await once(request, "response");
  response.setEncoding("utf8");
  const listener = { status: response.statusCode, events: [], problems: [], stop: () => request.destroy() };
  if (response.statusCode !== 200) {
    let text = "";
    for await (const piece of response) text += piece;
    return { ...listener, json: JSON.parse(text) };
  }
  const parser = createParser({
    onEvent: (event) => listener.events.push(event),
    onError: (error) => listener.problems.push(error),
  });
  response.on("data", (piece) => parser.feed(piece)).on("error", () => {});
  request.on("error", () => {});
  await until("the greeting", () => listener.events.length > 0);
  listener.greeting = listener.events.shift();
  assert.equal(listener.greeting.event, "connected");
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
    alice = await listen(hub, "/sse/subscribe/alice");
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

  test("what is refused is quoted, so that its sender sees what the hub saw", async () => {
    const long = "u".repeat(257);
    const refusals = [
      ["/sse/send/a?event=x%0Ay", "", 'event "x\\ny" has a line end or NUL'],
      ["/sse/send/a?event=x%0D", "", 'event "x\\r" has a line end or NUL'],
      ["/sse/send/a?event=%00", "", 'event "\\x00" has a line end or NUL'],
      ["/sse/send/a?event=x%FF", "", 'event "x\\xff" is not valid UTF-8'],
      ["/sse/send/a?event=gap", "", 'event "gap" is reserved'],
      ["/sse/broadcast?event=closing", "", 'event "closing" is reserved'],
      ["/sse/group/a?event=a&event=b", "", 'event is given more than once: "a" and "b"'],
      ["/sse/send/a?retry=1&retry=", "", 'retry is given more than once: "1" and ""'],
      ...["", "x", "-1", "+1", "1.5", " 1", "86400001", "12345678901"].map((retry) => [
        `/sse/send/a?retry=${encodeURIComponent(retry)}`, "",
        `retry must be 1 to 10 digits and at most 86400000, not "${retry}"`,
      ]),
      ...["", "x", "2", "01", " 0", "true"].map((keep) => [
        `/sse/send/a?keep=${encodeURIComponent(keep)}`, "", `keep must be 0 or 1, not "${keep}"`,
      ]),
      ["/sse/send/a?keep=0&keep=0", "", 'keep is given more than once: "0" and "0"'],
      ...["", "x", "0", "-1", "+1", "86400001", "12345678901"].map((ttl) => [
        `/sse/topic/a?ttl=${encodeURIComponent(ttl)}`, "",
        `ttl must be 1 to 10 digits, at least 1 and at most 86400000, not "${ttl}"`,
      ]),
      ["/sse/topic/%0A", "", 'the topic "\\n" has a control character'],
      ["/sse/topic/%24presence", "", 'the topic "$presence" is the hub\'s own'],
      ["/sse/topics/a?join=ok&join=", "", "the topic is empty"],
      ["/sse/topics/a?leave=%00", "", 'the topic "\\x00" has a control character'],
      ["/sse/topics/a?join=b&leave=b", "", 'the topic "b" cannot be both joined and left'],
      ["/sse/topics/a", "", "no topic is given, to join or to leave"],
      ["/sse/topics/%0A?join=a", "", 'the user "\\n" has a control character'],
      ["/sse/send/a", Buffer.from("ok\xe9 \"\r", "latin1"), 'the body is not valid UTF-8 at byte 2: "\\xe9 \\"\\r"'],
      ["/sse/send/a%01", "", 'the user "a\\x01" has a control character'],
      ["/sse/send/%C2%85", "", 'the user "\\xc2\\x85" has a control character'],
      ["/sse/send/%FF", "", 'the user "\\xff" is not valid UTF-8'],
      ["/sse/send?user=ok&user=%00", "", 'the user "\\x00" has a control character'],
      ["/sse/send?user=", "", "the user is empty"],
      [`/sse/send/${long}`, "", `the user "${long.slice(0, 80)}"... is longer than 256 bytes`],
      ["/sse/group/%7F", "", 'the prefix "\\x7f" has a control character'],
      ["/sse/close/%0A", "", 'the user "\\n" has a control character'],
    ];
    for (const [path, body, error] of refusals) {
      const answer = await ask(hub, "POST", path, body);
      assert.deepEqual(answer, { status: 400, json: { error } }, path);
    }
  });

  test("one byte more than is accepted is refused, and nothing of it arrives", async () => {
    const { status } = await arrived("", "x".repeat(1_048_577));
    assert.equal(status, 413);
  });

  const number = numbers(20260120);
  // Longer ones are 414 whatever they are.
  const texts = [...hostile_texts, ...Array.from({ length: 60 }, () => hostile_text(number, 6))].filter(
    (text) => escaped(text).length < 8_000,
  );

  // 1 to 256 bytes of UTF-8 without control characters.
  const is_user = (text) =>
    is_utf8(text) && Buffer.byteLength(text) <= 256 && text.length > 0 && !/[\0-\x1f\x7f-\x9f]/.test(string(text));

  test(`${texts.length} texts as a user and as a group`, async () => {
    let legal = 0;
    for (const text of texts) {
      const what = JSON.stringify(string(text)).slice(0, 200);
      const user = escaped(text);
      const listener = await listen(hub, `/sse/subscribe/${user}`);
      const answers = [
        await ask(hub, "POST", `/sse/send/${user}`, "to the user"),
        await ask(hub, "POST", `/sse/group/${user}`, "to the group"),
        await ask(hub, "POST", `/sse/send?user=${user}`, "to a list"),
      ];
      if (!is_user(text)) {
        for (const { status, json } of [listener, ...answers]) {
          assert.ok(status === 400 || (status === 404 && text.length === 0), `${status} for ${what}`);
          assert.match(json.error, /./);
        }
        continue;
      }
      ++legal;
      assert.deepEqual(JSON.parse(listener.greeting.data), { user: string(text), resumed: false }, what);
      for (const { status, json } of answers) {
        assert.equal(status, 202, what);
        assert.equal(json.streams, 1, what);
      }
      await ask(hub, "POST", `/sse/send/${user}?event=end`);
      const events = await listener.up_to_end();
      assert.deepEqual(events.map(({ data }) => data), ["to the user", "to the group", "to a list"], what);
      listener.stop();
    }
    assert.ok(legal > 20 && legal < texts.length, `${legal} were legal`);
  });

  test(`${texts.length} texts as a filter`, async () => {
    for (const [index, text] of texts.entries()) {
      if (text.length === 0) continue;
      const what = JSON.stringify(string(text)).slice(0, 200);
      const listener = await listen(hub, `/sse/subscribe/filter${index}?event=${escaped(text)}&event=end`);
      assert.equal(listener.status, 200, what);
      const { status } = await ask(hub, "POST", `/sse/send/filter${index}?event=${escaped(text)}`, "passes");
      await ask(hub, "POST", `/sse/send/filter${index}?event=another`, "does not");
      await ask(hub, "POST", `/sse/send/filter${index}?event=end`);
      const events = await listener.up_to_end();
      assert.deepEqual(events.map(({ data }) => data), status === 202 ? ["passes"] : [], what);
      listener.stop();
    }
  });

  test(`${texts.length} texts as a cursor, in the query and in the field`, async () => {
    let in_field = 0;
    for (const [index, text] of texts.entries()) {
      const what = JSON.stringify(string(text)).slice(0, 200);
      const bytes = Buffer.from(text).toString("latin1");
      const ways = [[`?last_event_id=${escaped(text)}`, {}], [`?lastEventId=${escaped(text)}`, {}]];
      // What a field can hold: no control characters but tabs, and no blanks around. (RFC 9110 5.5)
      if (/^[^\0-\x08\x0a-\x1f\x7f]*$/.test(bytes) && bytes === bytes.replace(/^[ \t]+|[ \t]+$/g, "")) {
        ways.push(["", { "Last-Event-ID": bytes }]);
        ++in_field;
      }
      for (const [way, [query, headers]] of ways.entries()) {
        const user = `cursor${index}.${way}`;
        const path = `/sse/subscribe/${user}${query}`;
        const listener = await listen(hub, path, headers);
        assert.equal(listener.status, 200, what);
        const resumed = string(text) === "earliest";
        assert.deepEqual(JSON.parse(listener.greeting.data), { user, resumed }, what);
        await ask(hub, "POST", `/sse/send/${user}?event=end`);
        const events = await listener.up_to_end();
        if (text.length === 0 || resumed) {
          assert.deepEqual(events, [], what);
        } else {
          assert.equal(events.length, 1, what);
          assert.equal(events[0].event, "gap", what);
          const gap = JSON.parse(events[0].data);
          assert.equal(gap.reason, "unknown", what);
          assert.equal(typeof gap.requested, "string");
          // Of what is longer than any id only the beginning is kept.
          const { length } = Buffer.from(text);
          const kept = length > 128 ? `${string(text).slice(0, 32)}... (${length} bytes)` : string(text);
          if (is_utf8(text)) assert.equal(gap.requested, kept);
        }
        listener.stop();
      }
    }
    assert.ok(in_field > 20);
  });
});
