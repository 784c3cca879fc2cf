// The npm package `openai` against token_stream.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import OpenAI, { APIError, BadRequestError } from "openai";
import { start_example } from "./support/example.mjs";
import { until } from "./support/until.mjs";

const LATEST_MS = 50;

describe("the openai package", { timeout: 60_000 }, () => {
  let example;
  let client;
  before(async () => {
    example = await start_example("token_stream");
    client = new OpenAI({ baseURL: `${example.url}/v1`, apiKey: "none", maxRetries: 0 });
  });
  after(() => example?.stop());
  const ask = (fields) =>
    client.chat.completions.create({ model: "echo", messages: [{ role: "user", content: "Hello, it is me." }], ...fields });

  test("reads a whole answer", async () => {
    const answer = await ask({});
    assert.equal(answer.choices[0].message.content, "Hello, it is me.");
    assert.equal(answer.usage.completion_tokens, 4);
  });

  test("streams one", async () => {
    let text = "";
    let finish;
    let usage;
    for await (const chunk of await ask({ stream: true, stream_options: { include_usage: true } })) {
      text += chunk.choices[0]?.delta?.content ?? "";
      finish ??= chunk.choices[0]?.finish_reason;
      usage ??= chunk.usage;
    }
    assert.equal(text, "Hello, it is me.");
    assert.equal(finish, "stop");
    assert.equal(usage.total_tokens, 8);
  });

  test("puts it together by itself", async () => {
    const runner = client.chat.completions.stream({ model: "echo", messages: [{ role: "user", content: "to be or not" }] });
    assert.equal(await runner.finalContent(), "to be or not");
  });

  test("sees an error before the first byte, and one after it", async () => {
    await assert.rejects(ask({ model: "refuse", stream: true }), (error) => {
      assert.ok(error instanceof BadRequestError, String(error));
      assert.match(error.message, /refuses/);
      return true;
    });
    const stream = await ask({ model: "fail", stream: true });
    const chunks = [];
    await assert.rejects(
      async () => {
        for await (const chunk of stream) chunks.push(chunk);
      },
      (error) => error instanceof APIError && /failed in the middle/.test(error.message),
    );
    assert.equal(chunks.length, 3);
  });

  test(`its abort stops the producer within ${LATEST_MS} ms`, async () => {
    const stats = async () => (await fetch(`${example.url}/stats`)).json();
    for (let round = 0; round < 5; ++round) {
      const before = (await stats()).produced;
      const stream = await ask({ stream: true, messages: [{ role: "user", content: "word ".repeat(1000) }] });
      let heard = 0;
      for await (const chunk of stream) {
        assert.equal(chunk.object, "chat.completion.chunk");
        if (++heard === 5) break;
      }
      // Leaving the loop aborts the request.
      assert.ok(stream.controller.signal.aborted);
      const aborted = performance.now();
      let took;
      await until("the producer to stop", async () => {
        const asked = performance.now();
        const { producing } = await stats();
        took = asked - aborted;
        return producing === 0;
      });
      assert.ok(took <= LATEST_MS, `it was still producing ${took} ms after the abort`);
      const { produced } = await stats();
      // 20 ms from word to word.
      assert.ok(produced - before <= 5 + LATEST_MS / 20 + 1, `${produced - before} words were produced for five`);
    }
  });
});
