// The smallest example, and the command line that all of them have.
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { end_of, start_example } from "./support/example.mjs";
import { Connection } from "../conduct/connection.mjs";
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
    for (const option of ["--address", "--port", "--idle-timeout-ms", "--allow-origin", "--drain-ms", "--help"]) {
      assert.ok(help.stdout.includes(option), option);
    }
    // nginx keeps a connection for 60 s: it has to be the first to close it.
    assert.match(help.stdout, /--idle-timeout-ms N .*\(75000\)/);
    for (const [options, quoted] of [
      [["--nonsense"], '"--nonsense"'],
      [["--port", "http"], '"http"'],
      [["--port=65536"], '"65536"'],
      [["--address", "nowhere"], '"nowhere"'],
      [["--allow-origin", "example.org"], '"example.org"'],
      [["--idle-timeout-ms", "-1"], '"-1"'],
    ]) {
      const bad = start(hello, options);
      assert.equal(await end_of(bad), 2);
      assert.match(bad.stderr, /^[^\n]+\n$/);
      assert.ok(bad.stderr.includes(quoted), bad.stderr);
    }
  });

  test("a connection between two requests is kept as long as --idle-timeout-ms says", async () => {
    const example = await start_example("hello", "--idle-timeout-ms", "300");
    const connection = await Connection.open(example.port);
    const request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (let request_number = 0; request_number < 2; ++request_number) {
      connection.send(request);
      assert.equal((await connection.take_head()).status, 404);
      await connection.take_until("}");
    }
    const idle_since = performance.now();
    while (await connection.more()) continue;
    assert.equal(connection.ended, "closed");
    assert.equal(connection.received, "");
    assert.ok(performance.now() - idle_since > 200, "closed too early");
    await example.stop();
  });

  test("an address in use is said in one line", async () => {
    const example = await start_example("hello");
    const second = start(hello, ["--port", String(example.port)]);
    assert.equal(await end_of(second), 1);
    assert.match(second.stderr, /^[^\n]*in use[^\n]*\n$/);
    await example.stop();
  });
});
