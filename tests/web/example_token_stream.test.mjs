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

  test("an answer without words begins with who speaks all the same", async () => {
    for (const content of ["", []]) {
      const messages = [{ role: "user", content }];
      const events = await (await stream({ messages, stream_options: { include_usage: true } })).end();
      assert.equal(events.pop().data, "[DONE]");
      const [opening, last, { usage }, ...more] = events.map(({ data }) => JSON.parse(data));
      assert.deepEqual(more, []);
      assert.deepEqual(opening.choices[0].delta, { role: "assistant", content: "" });
      assert.equal(opening.choices[0].finish_reason, null);
      assert.equal(last.choices[0].finish_reason, "stop");
      assert.deepEqual(usage, { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 });
      assert.equal((await ask(200, { messages })).choices[0].message.content, "");
    }
    const roles = async (fields) =>
      (await (await stream(fields)).end()).slice(0, -1).map(({ data }) => JSON.parse(data).choices?.[0]?.delta.role);
    const [first, ...others] = await roles({});
    assert.equal(first, "assistant");
    assert.ok(others.length > 0 && others.every((role) => role === undefined));
    assert.deepEqual(await roles({ model: "fail", messages: [{ role: "user", content: "" }] }), ["assistant", undefined, undefined]);
  });

  test("a message may do without content where the protocol lets it", async () => {
    const said = async (message) => (await ask(200, { messages: [message] })).choices[0].message.content;
    const tool_calls = [{ id: "call_1", type: "function", function: { name: "f", arguments: "{}" } }];
    assert.equal(await said({ role: "assistant", tool_calls }), "");
    assert.equal(await said({ role: "assistant", content: null, tool_calls }), "");
    assert.equal(await said({ role: "assistant", content: "said", tool_calls }), "said");
    assert.equal(await said({ role: "assistant", content: null }), "");
    assert.equal(await said({ role: "assistant", function_call: { name: "f", arguments: "" } }), "");
    assert.equal(await said({ role: "assistant", refusal: "no" }), "");
    assert.equal(await said({ role: "function", name: "f", content: null }), "");
    const conversation = [
      { role: "user", content: "what is it?" },
      { role: "assistant", tool_calls },
      { role: "tool", tool_call_id: "call_1", content: "it is this" },
    ];
    assert.equal((await ask(200, { messages: conversation })).choices[0].message.content, "it is this");
    for (const [message, given] of [
      [{ role: "user" }, ", and is missing"], [{ role: "assistant" }, ", and is missing"],
      [{ role: "assistant", tool_calls: null }, ", and is missing"], [{ role: "tool" }, ", and is missing"],
      [{ role: "user", content: null }, ", not null"], [{ role: "system", content: null }, ", not null"],
      [{ content: null }, ", not null"], [{ role: "assistant", content: 7 }, ", not 7"],
    ]) {
      const { error } = await ask(400, { messages: [message] });
      assert.equal(error.message, "messages[0].content must be a string or an array of parts" + given);
      assert.equal(error.param, "messages[0].content");
    }
  });

  test("a refusal names the field, what it must be, and what it was", async () => {
    const user = { role: "user", content: "x" };
    const parts = (...content) => [user, { role: "user", content }];
    for (const [fields, param, message] of [
      [{ stream: "true" }, "stream", 'stream must be true or false, not "true"'],
      [{ stream: 1 }, "stream", "stream must be true or false, not 1"],
      [{ stream: {} }, "stream", "stream must be true or false, not an object"],
      [{ stream_options: true }, "stream_options", "stream_options must be an object, not true"],
      [{ stream_options: { include_usage: "yes" } }, "stream_options.include_usage",
        'stream_options.include_usage must be true or false, not "yes"'],
      [{ model: undefined }, "model", "model must be a string, and is missing"],
      [{ model: null }, "model", "model must be a string, not null"],
      [{ model: ["a"] }, "model", "model must be a string, not an array"],
      [{ messages: undefined }, "messages", "messages must be an array of at least one message, and is missing"],
      [{ messages: [] }, "messages", "messages must be an array of at least one message, not an empty array"],
      [{ messages: "hi" }, "messages", 'messages must be an array of at least one message, not "hi"'],
      [{ messages: user }, "messages", "messages must be an array of at least one message, not an object"],
      [{ messages: [user, "hi"] }, "messages[1]", 'messages[1] must be an object, not "hi"'],
      [{ messages: [{ ...user, role: 7 }] }, "messages[0].role", "messages[0].role must be a string, not 7"],
      [{ messages: [{ ...user, content: { type: "text" } }] }, "messages[0].content",
        "messages[0].content must be a string or an array of parts, not an object"],
      [{ messages: parts("hi") }, "messages[1].content[0]", 'messages[1].content[0] must be an object, not "hi"'],
      [{ messages: parts({}) }, "messages[1].content[0].type", "messages[1].content[0].type must be a string, and is missing"],
      [{ messages: parts({ type: "text", text: "a" }, { type: "text", text: 7 }) }, "messages[1].content[1].text",
        "messages[1].content[1].text must be a string, not 7"],
      [{ temperature: "hot" }, "temperature", 'temperature must be a number from 0 to 2, not "hot"'],
      [{ temperature: 2.5 }, "temperature", "temperature must be a number from 0 to 2, not 2.5"],
      [{ top_p: -1 }, "top_p", "top_p must be a number from 0 to 1, not -1"],
      [{ max_tokens: 0 }, "max_tokens", "max_tokens must be a whole number from 1, not 0"],
      [{ max_completion_tokens: 1.5 }, "max_completion_tokens", "max_completion_tokens must be a whole number from 1, not 1.5"],
      [{ n: 2 }, "n", "n must be 1, as there is one answer, not 2"],
    ]) {
      const { error } = await ask(400, fields);
      assert.deepEqual({ param: error.param, message: error.message }, { param, message });
      assert.equal(error.type, "invalid_request_error");
    }
    await ask(200, { temperature: 1, top_p: null, n: 1, max_tokens: 5, user: "somebody", unheard_of: {} });
  });

  test("what is no JSON is told where, in words of its own", async () => {
    for (const [body, message] of [
      ["", "the body must be a JSON object, and is empty"],
      ["{", "the body must be a JSON object, and is no JSON at byte 1: it ends there"],
      ['{"model":echo}', 'the body must be a JSON object, and is no JSON at byte 9: "echo}"'],
      ["stream=true", 'the body must be a JSON object, and is no JSON at byte 0: "stream=true"'],
      ["[]", "the body must be a JSON object, not an empty array"],
      ["7", "the body must be a JSON object, not 7"],
      ['"{}"', 'the body must be a JSON object, not "{}"'],
      ["null", "the body must be a JSON object, not null"],
      ['{"temperature":1e999}', "the body must be a JSON object, and has a number that is too large to be one"],
      ["[".repeat(500_000), "the body must be a JSON object, and is no JSON at byte 500000: it ends there"],
      ["[".repeat(400_000) + "]".repeat(400_000), "the body must be a JSON object, not an array"],
    ]) {
      const { error } = await example.post(400, path, body);
      assert.equal(error.message, message, body.slice(0, 40));
      assert.equal(error.param, null);
    }
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
