// Clients from npm against the hub, through a proxy that cuts their connections: each resumes with what it saw last,
// and has every event exactly once and in order.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { start_proxy } from "./support/cutting_proxy.mjs";
import { free_port } from "./support/free_port.mjs";
import { start_hub } from "./support/hub.mjs";
import { clients, needs_whole_events } from "./support/npm_clients.mjs";
import { assert_same_events } from "./support/same_events.mjs";
import { until } from "./support/until.mjs";

describe("clients from npm", { timeout: 500_000 }, () => {
  for (const [name, listen] of Object.entries(clients)) {
    test(`${name} resumes after cuts with every event once and in order`, async () => {
      const hub = await start_hub();
      const proxy = await start_proxy(hub.port);
      const taken = [];
      const stop = await listen(`${proxy.url}/sse/subscribe/alice`, (event) => {
        if (!["connected", "closing"].includes(event.name)) taken.push(event);
      });
      try {
        await until("the subscription", async () => (await hub.count()).streams === 1);
        const sent = [];
        let wanted_connections = 1;
        const send = async (number) => {
          // `retry` on the first makes the client come back soon.
          const query = number === 0 ? "?retry=20" : number % 4 === 0 ? "?event=note" : "";
          const path = ["/sse/send/alice", "/sse/group/al", "/sse/broadcast"][number % 3] + query;
          const data = `number ${number}\n${"x".repeat((number * 37) % 500)}`;
          const { id } = await hub.send(path, data);
          sent.push({ id, name: query === "?event=note" ? "note" : "message", data });
          await hub.send("/sse/send/bob", "not for alice");
        };
        for (let number = 0; number < 200; ++number) {
          await send(number);
          if (number % 40 !== 20) continue;
          // One cut while it may be in the middle of an event, the next when it has all and knows it.
          if (number % 80 !== 20 || needs_whole_events.includes(name)) {
            await until("everything so far", () => taken.length === sent.length);
          }
          await until("its connection", () => proxy.connections === wanted_connections);
          assert.equal(proxy.cut(), 1);
          wanted_connections += 1;
        }
        await until("the last event", () => taken.at(-1)?.id === sent.at(-1).id);
        assert_same_events(taken, sent);
        assert.equal(proxy.connections, 6);
      } finally {
        stop();
        proxy.stop();
        await hub.stop();
      }
    });

    test(`${name} is told of the gap when the hub was started anew`, async () => {
      const port = String(await free_port());
      let hub = await start_hub("--port", port);
      const taken = [];
      const stop = await listen(`${hub.url}/sse/subscribe/alice`, (event) => taken.push(event));
      try {
        await until("the subscription", async () => (await hub.count()).streams === 1);
        const { id } = await hub.send("/sse/send/alice?retry=20", "before");
        await until("the event", () => taken.some(({ data }) => data === "before"));
        await hub.kill();
        hub = await start_hub("--port", port);
        await hub.send("/sse/send/alice", "after");
        await until("what was sent since", () => taken.some(({ data }) => data === "after"));
        const [gap, ...others] = taken.filter(({ name: event }) => event === "gap");
        assert.equal(others.length, 0);
        const { requested, reason } = JSON.parse(gap.data);
        assert.deepEqual({ requested, reason }, { requested: id, reason: "unknown" });
      } finally {
        stop();
        await hub.stop();
      }
    });
  }
});
