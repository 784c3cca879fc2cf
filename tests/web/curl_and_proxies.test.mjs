// curl as a client, and the two usual reverse proxies in front of the hub: nothing on the way may hold events back.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { start_hub } from "./support/hub.mjs";
import { start } from "./support/program.mjs";
import { start_haproxy, start_nginx } from "./support/reverse_proxies.mjs";
import { until, within } from "./support/until.mjs";

const LATEST_MS = 200;
const host = "hub.example.test";

describe("curl and reverse proxies", { timeout: 500_000 }, () => {
  let hub;
  before(async () => (hub = await start_hub("--allow-host", host)));
  after(() => hub?.stop());

  for (const version of ["--http1.1", "--http1.0"]) {
    test(`curl -N ${version} prints each event when it is sent`, async () => {
      const curl = start("curl", ["-sS", "-i", "-N", version, `${hub.url}/sse/subscribe/curl`]);
      try {
        await curl.printed(/event: connected\n[^]*\n\n/);
        const first = await hub.send("/sse/send/curl?event=note&retry=3000", "one\ntwo");
        await curl.printed(/data: two\n/);
        const second = await hub.send("/sse/broadcast", "three");
        await curl.printed(/data: three\n/);
        const [head, ...blocks] = curl.stdout.replace(/\r\n\r\n/, "\n\n").split("\n\n");
        assert.match(head, /^HTTP\/1\.1 200 /);
        assert.match(head, /^content-type: text\/event-stream\b/im);
        assert.match(head, /^cache-control: .*no-store/im);
        assert.match(head, /^x-accel-buffering: no\b/im);
        if (version === "--http1.0") {
          // Delimited by its end, without chunks (RFC 9112 6.3).
          assert.doesNotMatch(head, /^transfer-encoding:/im);
          assert.match(head, /^connection: close\b/im);
        }
        const events = blocks.filter((block) => /^data:/m.test(block)).map((block) => block.split("\n").sort());
        assert.deepEqual(events.slice(1), [
          ["data: one", "data: two", "event: note", `id: ${first.id}`, "retry: 3000"],
          ["data: three", `id: ${second.id}`],
        ]);
      } finally {
        await curl.stop();
      }
      await until("curl's user to be gone", async () => (await hub.users()).length === 0);
    });
  }

  const proxies = {
    "nginx as it comes": () => start_nginx(hub.port),
    "nginx with HTTP/1.1 and the Host passed on": () =>
      start_nginx(hub.port, 'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;'),
    "haproxy with http-no-delay": () => start_haproxy(hub.port),
  };
  for (const [name, start_it] of Object.entries(proxies)) {
    test(`behind ${name} each event arrives within ${LATEST_MS} ms`, async () => {
      const proxy = await start_it();
      const url = `${proxy.url}/sse/subscribe/curl`;
      // As a client of the public name would ask.
      const curl = start("curl", ["-sS", "-N", "-H", `Host: ${host}`, url]);
      try {
        await curl.printed(/event: connected\n/);
        const times = [];
        for (let number = 0; number < 30; ++number) {
          const mark = `<${number}>`;
          const sent = performance.now();
          // Some alone, some in close pairs: a small piece right after another is what delays are made of.
          const sends = [hub.send("/sse/send/curl", "x".repeat(number * 10) + mark)];
          if (number % 3 === 0) sends.push(hub.send("/sse/send/curl", "second" + mark));
          const wanted = sends.length;
          await until(mark, () => curl.stdout.split(mark + "\n").length - 1 === wanted);
          times.push(performance.now() - sent);
          await Promise.all(sends);
        }
        assert.ok(Math.max(...times) < LATEST_MS, `took ${times.map((time) => time.toFixed(1)).join(", ")} ms`);
        // An answer and a refusal pass through as well.
        assert.deepEqual(await (await fetch(`${proxy.url}/sse/users`)).json(), ["curl"]);
        assert.equal((await fetch(`${proxy.url}/nowhere`)).status, 404);
      } finally {
        await curl.stop();
        await until("curl's user to be gone", async () => (await hub.users()).length === 0);
        await proxy.stop();
      }
    });
  }

  test("a Host that was not allowed is refused, also behind a proxy that passes it on", async () => {
    const proxy = await start_haproxy(hub.port);
    try {
      const curl = start("curl", ["-sS", "-i", "-H", "Host: rebound.example.test", `${proxy.url}/sse/users`]);
      await within("the answer", curl.exit);
      assert.match(curl.stdout, /^HTTP\/1\.1 403 /);
      assert.match(curl.stdout, /\{"error":"[^"]/);
    } finally {
      await proxy.stop();
    }
  });
});
