// Going down without anybody being hurt.
import assert from "node:assert/strict";
import net from "node:net";
import { describe, test } from "node:test";
import { start_example } from "./support/example.mjs";
import { free_port } from "./support/free_port.mjs";
import { until } from "./support/until.mjs";

describe("graceful_stop", { timeout: 60_000 }, () => {
  for (const signal of ["SIGTERM", "SIGINT"]) {
    test(`on ${signal} every client gets its farewell, and a time of its own to come back`, async () => {
      const example = await start_example("graceful_stop");
      const listeners = await Promise.all(Array.from({ length: 20 }, () => example.listen("/events")));
      for (const listener of listeners) await listener.first(1);
      const begun = performance.now();
      assert.equal(await example.program.stop(signal), 0, example.program.stderr);
      assert.ok(performance.now() - begun < 4000, "it waited for the deadline");
      for (const listener of listeners) {
        await listener.end();
        const { event, data, id } = listener.events.at(-1);
        assert.deepEqual({ event, data, id }, { event: "closing", data: '{"reason":"shutdown"}', id: undefined });
        assert.equal(listener.retries.length, 1);
        assert.ok(listener.retries[0] >= 1000 && listener.retries[0] <= 5000, String(listener.retries[0]));
      }
      assert.ok(new Set(listeners.map(({ retries }) => retries[0])).size > 10, "they would all return at once");
      assert.match(example.program.stderr, /draining 20 streams\ndone, 0 had to be cut\n/);
    });
  }

  test("a client that does not close its side holds it up to the deadline, and no longer", async () => {
    const example = await start_example("graceful_stop", "--drain-ms", "300");
    const socket = net.connect({ port: example.port, host: "127.0.0.1", allowHalfOpen: true });
    let text = "";
    socket.setEncoding("utf8").on("data", (piece) => (text += piece)).on("error", () => {});
    socket.write(`GET /events HTTP/1.1\r\nHost: 127.0.0.1:${example.port}\r\n\r\n`);
    await until("an event", () => text.includes("data: "));
    const begun = performance.now();
    await example.stop();
    assert.ok(performance.now() - begun < 1500, "it waited longer than it was told");
    // What there was to say had been said.
    await until("the last chunk", () => text.endsWith("\r\n0\r\n\r\n"));
    socket.destroy();
  });

  test("it comes back with a client that was told so, on the same port", async () => {
    const port = ["--port", String(await free_port())];
    const first = await start_example("graceful_stop", ...port);
    const listener = await first.listen("/events");
    const [{ id }] = await listener.first(1);
    await first.stop();
    const second = await start_example("graceful_stop", ...port);
    const back = await second.listen("/events", { headers: { "Last-Event-ID": id } });
    assert.equal((await back.first(1))[0].event, "gap");
    await back.close();
    await second.stop();
  });

  test("nobody is accepted while it drains", async () => {
    const example = await start_example("graceful_stop");
    const listener = await example.listen("/events");
    await listener.first(1);
    await example.stop();
    const refused = net.connect(example.port, "127.0.0.1");
    const error = await new Promise((resolve) => refused.on("error", resolve));
    assert.equal(error.code, "ECONNREFUSED");
    await until("the end", () => listener.ended);
  });
});
