// A language model's answer: JSON, or chunks of JSON.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { start_example } from "./support/example.mjs";
import { until } from "./support/until.mjs";

const path = "/v1/chat/completions";
const text = "one  two\nthree \u{1F30A} \"four\" ";
const question = (fields = {}) => ({ model: "echo", messages: [{ role: "user", content: text }], ...fields });

describe("token_stream", { timeout: 60_000 }, () => {
  let example;
  before(async () => (example = await start_example("token_stream")));
  after(() => example?.stop());
  const ask = (status, fields) => example.post(status, path, JSON.stringify(question(fields)));
  const stream = (fields) =>
    example.listen(path, { method: "POST", body: JSON.stringify(question({ stream: true, ...fields })) });

  test("as JSON", async () => {
    const answer = await ask(200, {});
    assert.equal(answer.object, "chat.completion");
    assert.match(answer.id, /^chatcmpl-/);
    assert.ok(Math.abs(answer.created - Date.now() / 1000) < 60);
    assert.equal(answer.model, "echo");
    assert.equal(answer.choices.length, 1);
    assert.equal(answer.choices[0].message.role, "assistant");
    assert.equal(answer.choices[0].message.content, text);
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
    assert.equal((await ask(200, { stream: false })).object, "chat.completion");
    assert.equal((await ask(200, { stream: null })).object, "chat.completion");
  });

  test("as a stream", async () => {
    const begun = Date.now();
    const listener = await stream();
    const events = await listener.end();
    // The next question goes on a connection of its own.
    assert.equal(listener.response.headers.connection, "close");
    assert.equal(events.pop().data, "[DONE]");
    const chunks = events.map(({ event, data }) => (assert.equal(event, "message"), JSON.parse(data)));
    assert.equal(new Set(chunks.map(({ id }) => id)).size, 1);
    for (const { object, choices, usage } of chunks) {
      assert.equal(object, "chat.completion.chunk");
      assert.equal(choices.length, 1);
      assert.equal(usage, undefined);
    }
    assert.equal(chunks[0].choices[0].delta.role, "assistant");
    assert.equal(chunks.map(({ choices }) => choices[0].delta.content ?? "").join(""), text);
    assert.deepEqual(chunks.map(({ choices }) => choices[0].finish_reason), [...chunks.slice(1).map(() => null), "stop"]);
    // About 20 ms from word to word: they come one by one.
    assert.ok(events.at(-1).at - begun >= 20 * (chunks.length - 1) - 1);
  });

  test("usage comes in a chunk of its own, with no choices", async () => {
    const events = await (await stream({ stream_options: { include_usage: true } })).end();
    assert.equal(events.pop().data, "[DONE]");
    const chunks = events.map(({ data }) => JSON.parse(data));
    const last = chunks.pop();
    assert.deepEqual(last.choices, []);
    const words = chunks.length - 1;
    assert.deepEqual(last.usage, { prompt_tokens: words, completion_tokens: words, total_tokens: 2 * words });
    for (const { usage } of chunks) assert.equal(usage, null);
    assert.equal(chunks.at(-1).choices[0].finish_reason, "stop");
  });

  test("an error before the first byte is a status, one after it an event", async () => {
    for (const fields of [{}, { stream: true }]) {
      const { error } = await ask(400, { model: "refuse", ...fields });
      assert.equal(typeof error.message, "string");
    }
    const events = await (await stream({ model: "fail" })).end();
    assert.equal(events.length, 4);
    for (const { data } of events.slice(0, 3)) assert.equal(JSON.parse(data).object, "chat.completion.chunk");
    assert.equal(events[3].event, "error");
    assert.equal(typeof JSON.parse(events[3].data).error.message, "string");
    assert.equal(typeof (await ask(500, { model: "fail" })).error.message, "string");
  });

  test("what is no question is refused", async () => {
    for (const body of ["", "{", "[]", "7", "{}", '{"model":"echo"}', '{"model":"echo","messages":[]}',
      '{"model":"echo","messages":[{}]}', '{"model":7,"messages":[{"role":"user","content":"x"}]}',
      '{"model":"echo","messages":[{"role":"user","content":"x"}],"stream":"yes"}',
      '{"model":"echo","messages":[{"role":"user","content":"\\ud800"}]}']) {
      const { error } = await example.post(400, path, body);
      assert.equal(typeof error.message, "string", body);
    }
    assert.equal((await example.fetch(path)).status, 405);
    const parts = [{ type: "text", text: "by " }, { type: "image_url" }, { type: "text", text: "parts" }];
    assert.equal((await ask(200, { messages: [{ role: "user", content: parts }] })).choices[0].message.content, "by parts");
  });

  test("clients that say that they accept JSON get the stream that they ask for", async () => {
    const response = await example.fetch(path, {
      method: "POST",
      headers: { Accept: "application/json" },
      body: JSON.stringify(question({ stream: true })),
    });
    assert.equal(response.headers.get("content-type"), "text/event-stream");
    assert.match(await response.text(), /data: \[DONE\]\n\n$/);
  });

  test("it stops when the client leaves, whatever was asked for", async () => {
    const long = { messages: [{ role: "user", content: "word ".repeat(400) }] };
    const stats = () => example.json(200, "/stats");
    for (const fields of [{ stream: true }, {}]) {
      const before = await stats();
      const controller = new AbortController();
      const body = JSON.stringify(question({ ...long, ...fields }));
      const asked = example.fetch(path, { method: "POST", body, signal: controller.signal }).catch(() => {});
      await until("some words", async () => (await stats()).produced >= before.produced + 3);
      assert.equal((await stats()).producing, 1);
      controller.abort();
      await until("the end of it", async () => (await stats()).producing === 0);
      const { produced } = await stats();
      assert.ok(produced < before.produced + 400);
      await asked;
    }
  });

  test("with --keep-going it produces the whole answer all the same", async () => {
    const keen = await start_example("token_stream", "--keep-going");
    const body = JSON.stringify(question({ stream: true, messages: [{ role: "user", content: "word ".repeat(20).trim() }] }));
    const listener = await keen.listen(path, { method: "POST", body });
    await listener.first(2);
    await listener.close();
    await until("all of it", async () => (await keen.json(200, "/stats")).produced === 20);
    await until("the end", async () => (await keen.json(200, "/stats")).producing === 0);
    await keen.stop();
  });
});
