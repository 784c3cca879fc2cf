// Requests that are answered later.
import assert from "node:assert/strict";
import net from "node:net";
import { after, before, describe, test } from "node:test";
import { start_example } from "./support/example.mjs";
import { until } from "./support/until.mjs";

describe("deferred", { timeout: 60_000 }, () => {
  let deferred;
  before(async () => (deferred = await start_example("deferred")));
  after(() => deferred?.stop());

  async function ask(path) {
    const begun = performance.now();
    const response = await deferred.fetch(path);
    return { status: response.status, text: await response.text(), took: performance.now() - begun };
  }
  const near = (took, wanted) => assert.ok(took > wanted - 20 && took < wanted + 900, `${took} ms, not ${wanted} ms`);

  test("they wait side by side, and another request does not wait for them", async () => {
    const waiting = Promise.all([
      ...Array.from({ length: 20 }, () => ask("/deferred")),
      ask("/timeout"),
      ask("/timeout?value=my+own"),
      ask("/error"),
    ]);
    const page = await ask("/");
    assert.equal(page.status, 200);
    assert.ok(page.took < 900, `the page took ${page.took} ms`);
    const answers = await waiting;
    const [own, mine, failed] = answers.splice(20);
    for (const { status, text, took } of answers) {
      assert.deepEqual([status, text], [200, "the result, three seconds later"]);
      near(took, 3000);
    }
    assert.deepEqual([own.status, own.text], [200, "no result within one second"]);
    near(own.took, 1000);
    assert.deepEqual([mine.status, mine.text], [200, "my own"]);
    await deferred.program.printed(/too late/, "stderr");
    assert.equal(failed.status, 500);
    assert.deepEqual(JSON.parse(failed.text), { error: "the work failed" });
  });

  test("it hears when nobody waits any more", async () => {
    const socket = net.connect(deferred.port, "127.0.0.1");
    socket.write(`GET /deferred HTTP/1.1\r\nHost: 127.0.0.1:${deferred.port}\r\n\r\n`);
    // An answer on a second connection shows that the first request has been read.
    await ask("/");
    socket.resetAndDestroy();
    await until("word of it", () => /nobody waits any more/.test(deferred.program.stderr));
  });
});
