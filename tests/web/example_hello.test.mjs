// The smallest example, and the command line that all of them have.
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { end_of, start_example } from "./support/example.mjs";
import { start } from "./support/program.mjs";

const hello = join(process.env.EXAMPLES ?? "", "hello");

describe("hello", { timeout: 60_000 }, () => {
  test("curl -N prints the greeting", async () => {
    const example = await start_example("hello");
    const curl = start("curl", ["-sS", "-N", `${example.url}/hello`]);
    assert.equal(await end_of(curl), 0, curl.stderr);
    assert.equal(curl.stdout, "id: 1\nevent: greeting\ndata: Hello, world!\n\n");
    assert.equal((await example.fetch("/")).status, 404);
    await example.stop();
    // Its standard output has the one line and nothing else.
    assert.equal(example.program.stdout, `listening on ${example.url}\n`);
  });

  test("--help says what there is, and bad usage is quoted in one line", async () => {
    const help = start(hello, ["--help"]);
    assert.equal(await end_of(help), 0);
    for (const option of ["--address", "--port", "--drain-ms", "--help"]) assert.ok(help.stdout.includes(option), option);
    for (const [options, quoted] of [
      [["--nonsense"], '"--nonsense"'],
      [["--port", "http"], '"http"'],
      [["--port=65536"], '"65536"'],
    ]) {
      const bad = start(hello, options);
      assert.equal(await end_of(bad), 2);
      assert.match(bad.stderr, /^[^\n]+\n$/);
      assert.ok(bad.stderr.includes(quoted), bad.stderr);
    }
  });

  test("an address in use is said in one line", async () => {
    const example = await start_example("hello");
    const second = start(hello, ["--port", String(example.port)]);
    assert.equal(await end_of(second), 1);
    assert.match(second.stderr, /^[^\n]*in use[^\n]*\n$/);
    await example.stop();
  });
});
