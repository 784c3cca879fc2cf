// No text can forge an event, whichever field it stands in: what the encoder takes is exactly one event, to a parser of
// somebody else's as well as to the library's own decoder; what it does not take it refuses with a reason.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import { createParser } from "eventsource-parser";
import { hostile_texts, hostile_text, normalised, numbers } from "./support/hostile.mjs";

assert.ok(process.env.ENCODE_EVENTS, "set ENCODE_EVENTS to the program encode_events");

/// What the library makes of events in which `field` is each of `texts`.
function encoded(field, texts) {
  const input = texts.map((text) => `${field} ${Buffer.from(text).toString("hex")}\n`).join("");
  const run = spawnSync(process.env.ENCODE_EVENTS, { input, maxBuffer: 1 << 28 });
  assert.equal(run.status, 0, String(run.stderr));
  const lines = String(run.stdout).trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.equal(lines.length, texts.length);
  return lines;
}

function parsed(hex) {
  const found = { events: [], comments: [] };
  const parser = createParser({
    onEvent: (event) => found.events.push(event),
    onComment: (comment) => found.comments.push(comment),
    onError: (error) => assert.fail(error),
  });
  parser.feed(Buffer.from(hex, "hex").toString("utf8"));
  return found;
}

const is_text = (text) => Buffer.from(Buffer.from(text).toString("utf8")).equals(Buffer.from(text));
const string = (text) => Buffer.from(text).toString("utf8");

/// [legal, event, comments] of `text` in each field.
const fields = {
  data: (text) => [true, { event: "message", data: normalised(text) }, []],
  name: (text) => [!/[\r\n]/.test(text), { event: text || "message", data: "data" }, []],
  id: (text) => [!/[\r\n\0]/.test(text), { id: text, event: "message", data: "data" }, []],
  comment: (text) => [true, { event: "message", data: "data" }, normalised(text).split("\n")],
};

const number = numbers(20260119);
const texts = [...hostile_texts, ...Array.from({ length: 300 }, () => hostile_text(number, 12))];

describe("the encoder", () => {
  for (const [field, expectation] of Object.entries(fields)) {
    test(`${texts.length} hostile texts as ${field}`, () => {
      let taken = 0;
      for (const [index, line] of encoded(field, texts).entries()) {
        const text = texts[index];
        const [legal, event, comments] = is_text(text) ? expectation(string(text)) : [false];
        const what = JSON.stringify(string(text)).slice(0, 200);
        if (!legal) {
          assert.match(line.refused ?? "taken", new RegExp(`^spate::Event: ${field}`), what);
          continue;
        }
        ++taken;
        assert.deepEqual(line.events, [event], what);
        assert.deepEqual(line.comments, comments, what);
        const theirs = parsed(line.bytes);
        assert.equal(theirs.events.length, 1, what);
        const { id, event: name = "message", data } = theirs.events[0];
        assert.deepEqual({ ...(id === undefined ? {} : { id }), event: name, data }, event, what);
        assert.deepEqual(theirs.comments, comments, what);
      }
      assert.ok(taken > 20 && taken < texts.length, `${taken} were taken`);
    });
  }
});
