import assert from "node:assert/strict";

/// That `heard` is `sent`: each event once and in order. Of a thousand events only the first that differs is shown.
export function assert_same_events(heard, sent) {
  for (const [index, event] of sent.entries()) assert.deepEqual(heard[index], event, `event ${index} of ${sent.length}`);
  assert.equal(heard.length, sent.length);
}
