// Clients that do what clients should not: limits and deadlines hold, what they held is given back, and whoever behaves
// is served meanwhile.
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { Connection } from "../conduct/connection.mjs";
import { Bystander } from "./support/bystander.mjs";
import { start_hub } from "./support/hub.mjs";
import { descriptors, resident_bytes } from "./support/process_use.mjs";
import { until } from "./support/until.mjs";

const get = (path, fields = "") => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n`;
const post = (path, fields) => `POST ${path} HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n`;
// A sanitizer takes memory of its own.
const GROWTH_BYTES = (process.env.SANITIZE ? 64 : 8) * 1024 * 1024;
const open_all = (hub, count) => Promise.all(Array.from({ length: count }, () => Connection.open(hub.port)));

describe("hostile clients", { timeout: 240_000 }, () => {
  let hub;
  let bystander;
  let before;
  const start = async (...options) => {
    hub = await start_hub(...options);
    bystander = await Bystander.start(hub);
    // Connections of the bystander's sends stay as they are kept alive: one more or less is no leak.
    await bystander.until_served(6);
    before = descriptors(hub.program.pid);
  };
  /// That everything was given back: descriptors, users, streams.
  const all_given_back = async () => {
    await until("descriptors to be given back", () => descriptors(hub.program.pid) <= before + 2);
    // In one condition: a connection whose client has gone may still wait to be accepted when the rest is given back.
    const only_the_bystander = async () => (await hub.count()).streams <= 1 && (await hub.users()).join() === "bystander";
    await until("all streams and users but the bystander to be forgotten", only_the_bystander);
  };
  beforeEach(() => (hub = bystander = undefined));
  afterEach(async () => {
    await bystander?.stop();
    await hub?.stop();
  });

  // Where a connection may be when its client goes: [what to send, what to wait for].
  const states = {
    "before a byte": ["", ""],
    "in the request line": ["GET /heal", ""],
    "in a field": ["GET / HTTP/1.1\r\nHost: loc", ""],
    "before the body": [post("/sse/send/nobody", "Content-Length: 10\r\n"), ""],
    "in the body": [post("/sse/send/nobody", "Content-Length: 10\r\n") + "12345", ""],
    "in a chunk": [post("/sse/send/nobody", "Transfer-Encoding: chunked\r\n") + "5\r\n123", ""],
    "after 100": [post("/sse/send/nobody", "Expect: 100-continue\r\nContent-Length: 10\r\n"), "HTTP/1.1 100 Continue\r\n\r\n"],
    "between two requests": [get("/healthz"), "ok"],
    "with answers unread": [get("/").repeat(200), "HTTP/1.1 200"],
    "after a refusal": ["what?\r\n\r\n", "HTTP/1.1 501"],
    "in a poll": [get("/sse/subscribe/left?transport=poll"), ""],
    "in a stream": [get("/sse/subscribe/left"), "event: connected\n"],
    "in a stream with more sent": [get("/sse/subscribe/left") + get("/healthz").repeat(100), "event: connected\n"],
    "in a page of scripts": [get("/sse/subscribe/left?transport=iframe"), "connected"],
  };
  const ways = {
    closed: (connection) => connection.destroy(),
    reset: (connection) => connection.socket.resetAndDestroy(),
    "half closed": async (connection) => {
      connection.end();
      while (await connection.more()) connection.received = "";
    },
  };
  for (const [way, leave] of Object.entries(ways)) {
    test(`${way}, in each of ${Object.keys(states).length} states`, async () => {
      await start("--poll-grace-ms", "0");
      for (const [state, [bytes, answer]] of Object.entries(states)) {
        const connections = await open_all(hub, 20);
        await Promise.all(
          connections.map(async (connection) => {
            connection.send(bytes);
            if (answer) await connection.take_until(answer);
            await leave(connection);
          }),
        ).catch((error) => assert.fail(`${state}: ${error.message}`));
        await all_given_back().catch((error) => assert.fail(`${state}: ${error.message}`));
      }
    });
  }

  test("2,000 connections without a request are closed in their time", async () => {
    await start("--request-timeout-ms", "1000");
    const connections = await open_all(hub, 2_000);
    await Promise.all(
      connections.map(async (connection) => {
        while (await connection.more()) continue;
        assert.equal(connection.received, "");
        assert.equal(connection.ended, "closed");
      }),
    );
    await all_given_back();
  });

  // What is sent first, what follows drop by drop, and the answer.
  const slow_requests = [
    ["GET /healthz HTTP/1.1\r\nHost: localhost\r\n", "X: y\r\n", 408],
    ["GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ", "y", 408],
    [post("/sse/send/nobody", "Content-Length: 100000\r\n"), "b", 408],
    [post("/sse/send/nobody", "Transfer-Encoding: chunked\r\n"), "1\r\nb\r\n", 408],
    ["", "\r\n", 400], // one empty line is forgiven, not many (RFC 9112 2.2)
  ];
  test("200 slow requests are answered in their time, however they go on", async () => {
    await start("--request-timeout-ms", "1000");
    const begun = performance.now();
    const connections = await Promise.all(
      slow_requests.flatMap(([first, drop, answer]) =>
        Array.from({ length: 40 }, async () => {
          const connection = await Connection.open(hub.port);
          connection.send(first);
          connection.due = answer;
          connection.dripping = setInterval(() => connection.send(drop), 100);
          return connection;
        }),
      ),
    );
    await Promise.all(
      connections.map(async (connection) => {
        const { status, fields } = await connection.take_answer("GET");
        assert.equal(status, connection.due);
        assert.equal(fields.get("connection"), "close");
        clearInterval(connection.dripping);
        while (await connection.more()) continue;
      }),
    );
    assert.ok(performance.now() - begun < 10_000, "the deadline did not hold");
    connections.forEach((connection) => connection.destroy());
    await all_given_back();
  });

  for (const [what, events_read] of [["never read", 0], ["read some events and then stop", 3]]) {
    test(`50 clients that ${what} are given up, and hold no more than their share`, async () => {
      await start("--max-queued-bytes", "65536", "--write-timeout-ms", "1000", "--heartbeat-ms", "100");
      const connections = await open_all(hub, 50);
      for (const connection of connections) {
        connection.send(get("/sse/subscribe/stuck"));
        await connection.take_until("event: connected\n");
      }
      for (let number = 0; number < events_read; ++number) await hub.send("/sse/send/stuck", `read ${number}`);
      for (const connection of connections) {
        for (let number = 0; number < events_read; ++number) await connection.take_until(`data: read ${number}\n`);
        connection.socket.pause();
      }
      const memory = resident_bytes(hub.program.pid);
      let most = 0;
      const gone = async () => (await hub.get("/sse/count")).streams <= 1;
      await until(
        "all to be given up",
        async () => {
          await hub.send("/sse/send/stuck", "x".repeat(20_000));
          most = Math.max(most, resident_bytes(hub.program.pid) - memory);
          return gone();
        },
        60_000,
      );
      // One encoding is shared by all; queues hold references. The history of 10,000 events is not full by then.
      assert.ok(most < 256 * 1024 * 1024, `${most} bytes more`);
      const metrics = await (await fetch(hub.url + "/metrics")).text();
      const ended = (reason) => Number(new RegExp(`^spate_streams_ended_total\\{reason="${reason}"\\} (\\d+)$`, "m").exec(metrics)[1]);
      assert.equal(ended("overflow") + ended("write_timeout"), 50, metrics);
      connections.forEach((connection) => connection.destroy());
      await all_given_back();
    });
  }

  test("one address cannot take the connections of the others", async () => {
    await start("--max-connections-per-address", "40");
    // All of 127.0.0.0/8 is here.
    const connections = [];
    for (let number = 0; number < 100; ++number) {
      const connection = new Connection(hub.port, "127.0.0.2");
      connection.send(get("/sse/subscribe/crowd"));
      connections.push(connection);
    }
    const heads = await Promise.all(connections.map((connection) => connection.take_head()));
    const statuses = heads.map(({ status }) => status);
    assert.equal(statuses.filter((status) => status === 200).length, 40);
    assert.equal(statuses.filter((status) => status === 503).length, 60);
    assert.equal((await fetch(hub.url + "/healthz")).status, 200);
    connections.forEach((connection) => connection.destroy());
    await all_given_back();
  });

  test("storms of clients that come back leave no more than the first of them", async () => {
    await start("--replay-events", "100");
    const storm = async () => {
      for (let round = 0; round < 8; ++round) {
        const connections = await open_all(hub, 150);
        await Promise.all(
          connections.map(async (connection, number) => {
            connection.send(get(`/sse/subscribe/storm${number}?last_event_id=earliest`));
            await connection.take_until("event: connected\n");
            if (number % 3 === 0) connection.socket.resetAndDestroy();
            else connection.destroy();
          }),
        );
      }
      await all_given_back();
      return resident_bytes(hub.program.pid);
    };
    const first = await storm();
    const sizes = [];
    for (let count = 0; count < 3; ++count) sizes.push(await storm());
    assert.ok(sizes.at(-1) < first + GROWTH_BYTES, `from ${first} to ${sizes.join(", ")} bytes`);
  });
});
