// HTTP/2 with clients and proxies of others: all that the hub does over HTTP/1.1 it does over HTTP/2 as well, with many
// streams on one connection.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import http2 from "node:http2";
import { fileURLToPath } from "node:url";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { start_proxy } from "./support/cutting_proxy.mjs";
import { Authority } from "./support/certificates.mjs";
import { Http1Client, Http2Client } from "./support/event_clients.mjs";
import { hostile_data } from "./support/hostile.mjs";
import { start_hub, start_tls_hub } from "./support/hub.mjs";
import { clients as npm_clients, needs_whole_events } from "./support/npm_clients.mjs";
import { start } from "./support/program.mjs";
import { start_http2_haproxy, start_tls_nginx } from "./support/reverse_proxies.mjs";
import { assert_same_events } from "./support/same_events.mjs";
import { until, within } from "./support/until.mjs";

const LATEST_MS = 200;
const { NGHTTP2_NO_ERROR, NGHTTP2_CANCEL } = http2.constants;

const authority = new Authority();
const pair = authority.issue("hub");
const trusting = { ca: authority.pem };

let hub;
let clients = [];
beforeEach(() => {
  hub = undefined;
  clients = [];
});
afterEach(async () => {
  for (const client of clients) client.close();
  await hub?.stop();
});
const open = async (client = Http2Client, url = hub.url) => {
  const opened = await client.open(url, trusting);
  clients.push(opened);
  return opened;
};
const connections = () => hub.metric('spate_connections{protocol="h2",tls="1"}');
const streams_become = (count) => until(`${count} streams`, async () => (await hub.count()).streams === count);
const listen_many = (client, count, name = (number) => `user-${number}`) =>
  Promise.all(Array.from({ length: count }, (_, number) => client.listen(`/sse/subscribe/${name(number)}`)));

describe("Node's http2", { timeout: 300_000 }, () => {
  test("two hundred streams and requests on one session: each hears what is for it, in order", async () => {
    hub = await start_tls_hub(authority, pair);
    const client = await open();
    const listeners = await listen_many(client, 200);
    assert.equal(await connections(), 1);
    assert.equal(await hub.metric("spate_streams"), 200);
    for (const { status, headers } of listeners) {
      assert.equal(status, 200);
      assert.match(headers["content-type"], /^text\/event-stream/);
      for (const name of ["connection", "keep-alive", "transfer-encoding"]) assert.equal(headers[name], undefined);
    }
    const sent = listeners.map(() => []);
    for (let number = 0; number < 150; ++number) {
      const data = `${number}:${"x".repeat((number * 37) % 700)}`;
      const of = number % 3 === 0 ? undefined : (number * 7) % 200;
      const { id, streams } = await client.send(of === undefined ? "/sse/broadcast" : `/sse/send/user-${of}`, data);
      assert.equal(streams, of === undefined ? 200 : 1);
      for (const each of of === undefined ? sent : [sent[of]]) each.push({ id, name: "message", data });
    }
    for (const [index, listener] of listeners.entries()) {
      await listener.has(sent[index].at(-1).data);
      assert_same_events(listener.sent, sent[index]);
    }
    assert.equal(await connections(), 1);
  });

  test("bodies of every size arrive as they are, and one that is too large is refused", async () => {
    hub = await start_tls_hub(authority, pair, "--max-queued-bytes", "16777216");
    const client = await open();
    const alice = await client.listen("/sse/subscribe/alice");
    for (const [what, body, data] of hostile_data) {
      const { status, text } = await client.ask("/sse/send/alice", { method: "POST", body });
      assert.equal(status, data === undefined ? 400 : 202, `${what}: ${text}`);
    }
    const wanted = hostile_data.map(([, , data]) => data).filter((data) => data !== undefined);
    await until("all", () => alice.sent.length >= wanted.length);
    assert.deepEqual(alice.data, wanted);
    const { status, text } = await client.ask("/sse/send/alice", { method: "POST", body: "x".repeat(1_048_577) });
    assert.equal(status, 413);
    assert.ok(JSON.parse(text).error);
  });

  test("a stream that is cancelled is gone, and its neighbours and the session live on", async () => {
    hub = await start_tls_hub(authority, pair);
    const client = await open();
    const listeners = await listen_many(client, 100);
    const [gone, kept] = [listeners.filter((_, index) => index % 2), listeners.filter((_, index) => !(index % 2))];
    for (const listener of gone) listener.cancel();
    await streams_become(50);
    await Promise.all(gone.map((listener) => listener.end()));
    for (const listener of gone) assert.equal(listener.code, NGHTTP2_CANCEL);
    assert.equal((await client.send("/sse/broadcast", "after")).streams, 50);
    for (const listener of kept) await listener.has("after");
    assert.equal(await hub.metric('spate_streams_ended_total{reason="client"}'), 50);
    assert.equal(client.error, undefined);
  });

  test("a session that is dropped takes all its streams with it", async () => {
    hub = await start_tls_hub(authority, pair);
    const client = await open();
    await listen_many(client, 100);
    client.close();
    await streams_become(0);
    assert.equal(await connections(), 0);
  });

  for (const encrypted of [true, false]) {
    test(`a drain ${encrypted ? "over TLS" : "in the clear"}: GOAWAY, each stream's farewell and its end, exit 0`, async () => {
      const draining = encrypted ? await start_tls_hub(authority, pair) : await start_hub();
      const client = await open(Http2Client, draining.url);
      const listeners = await listen_many(client, 100);
      await client.send("/sse/broadcast", "before");
      await draining.stop(); // throws unless it exits with 0
      const retries = new Set();
      for (const listener of listeners) {
        await listener.end();
        assert.deepEqual(listener.data, ["before"]);
        assert.equal(listener.ended, true, "END_STREAM");
        const last = listener.events.at(-1);
        assert.deepEqual([last.name, last.id, JSON.parse(last.data)], ["closing", undefined, { reason: "shutdown" }]);
        assert.ok(listener.retry >= 1_000 && listener.retry <= 5_000, `retry ${listener.retry}`);
        retries.add(listener.retry);
      }
      assert.ok(retries.size > 20, "they would all return at once");
      await until("the end of the session", () => client.ended);
      assert.ok(client.goaway.length > 0);
      for (const { code } of client.goaway) assert.equal(code, NGHTTP2_NO_ERROR);
      assert.equal(client.error, undefined);
    });
  }

  test("a drain with a stream that is never read ends by its deadline, and the others are told farewell", async () => {
    const draining = await start_tls_hub(authority, pair, "--drain-ms", "500");
    const client = await open(Http2Client, draining.url);
    const others = await listen_many(client, 20);
    const stuck = await client.listen("/sse/subscribe/stuck");
    stuck.response.pause();
    await client.send("/sse/send/stuck", "x".repeat(500_000));
    await draining.stop();
    for (const listener of others) {
      await listener.end();
      assert.deepEqual([listener.events.at(-1).name, listener.ended], ["closing", true]);
    }
  });
});

// The same over each way to the hub.
const ways = {
  "HTTP/1.1": { client: Http1Client, encrypted: false },
  "HTTP/1.1 over TLS": { client: Http1Client, encrypted: true },
  "HTTP/2": { client: Http2Client, encrypted: false },
  "HTTP/2 over TLS": { client: Http2Client, encrypted: true },
};
for (const [name, { client: kind, encrypted }] of Object.entries(ways)) {
  describe(`the stream over ${name}`, { timeout: 300_000 }, () => {
    let client;
    const begin = async (...options) => {
      hub = encrypted ? await start_tls_hub(authority, pair, ...options) : await start_hub(...options);
      client = await open(kind);
    };
    const connected = async (listener) => {
      const { id, data } = await listener.named("connected");
      return { id, ...JSON.parse(data) };
    };
    const send = async (path, body) => (await hub.send(path, body)).id;

    test("who resumes hears all that was missed, and then what comes, by header, query, or from the earliest", async () => {
      await begin();
      const alice = await client.listen("/sse/subscribe/alice");
      const fresh = await connected(alice);
      assert.deepEqual([fresh.user, fresh.resumed, fresh.id !== ""], ["alice", false, true]);
      const first = await send("/sse/send/alice", "one");
      await alice.has("one");
      alice.cancel();
      await streams_become(0);
      await send("/sse/send/alice?event=note", "two");
      await send("/sse/send/bob", "not hers");
      await send("/sse/group/al", "three");
      const back = [
        await client.listen("/sse/subscribe/alice", { "last-event-id": first }),
        await client.listen(`/sse/subscribe/alice?last_event_id=${first}`),
        await client.listen(`/sse/subscribe/alice?lastEventId=${first}`),
        await client.listen("/sse/subscribe/alice", { "last-event-id": "earliest" }),
      ];
      await send("/sse/broadcast", "four");
      for (const [index, listener] of back.entries()) {
        await listener.has("four");
        assert.deepEqual(listener.data, [...(index === 3 ? ["one"] : []), "two", "three", "four"]);
        const { resumed, id } = await connected(listener);
        assert.equal(resumed, true);
        if (index < 3) assert.equal(id, first);
      }
    });

    test("a gap is told: trimmed and unknown", async () => {
      await begin("--replay-events", "3");
      const before = await hub.position();
      const ids = [];
      for (let number = 0; number < 6; ++number) ids.push(await send("/sse/send/alice", String(number)));
      for (const [cursor, reason] of [[before, "trimmed"], ["nonsense", "unknown"]]) {
        const alice = await client.listen("/sse/subscribe/alice", { "last-event-id": cursor });
        await alice.has("5");
        const gap = await alice.named("gap");
        assert.deepEqual(JSON.parse(gap.data), { requested: cursor, oldest: ids[3], reason });
        assert.deepEqual(alice.data, ["3", "4", "5"]);
        assert.equal((await connected(alice)).resumed, false);
      }
    });

    test("a filter holds for what is missed and for what comes", async () => {
      await begin();
      const from = await hub.position();
      await send("/sse/send/alice?event=note", "missed note");
      await send("/sse/send/alice?event=other", "missed other");
      await send("/sse/send/alice", "missed");
      const path = "/sse/subscribe/alice?event=note&event=message";
      const alice = await client.listen(path, { "last-event-id": from });
      await connected(alice);
      await send("/sse/send/alice?event=other", "other");
      await send("/sse/send/alice?event=note", "note");
      await alice.has("note");
      assert.deepEqual(alice.data, ["missed note", "missed", "note"]);
    });

    test("a lifetime ends a stream in order, and what ends it is said", async () => {
      await begin("--lifetime-ms", "300");
      const alice = await (await client.listen("/sse/subscribe/alice")).end();
      assert.deepEqual(JSON.parse((await alice.named("closing")).data), { reason: "lifetime" });
      assert.equal(alice.ended, true);
      assert.equal((await client.ask("/healthz")).text, "ok");
    });

    test("/sse/close ends the streams of one user, in order", async () => {
      await begin();
      const [first, second, bob] = [
        await client.listen("/sse/subscribe/alice"),
        await client.listen("/sse/subscribe/alice"),
        await client.listen("/sse/subscribe/bob"),
      ];
      const closed = await client.ask("/sse/close/alice", { method: "POST", body: "" });
      assert.deepEqual(closed.json(), { closed: 2 });
      for (const listener of [first, second]) {
        await listener.end();
        assert.deepEqual(JSON.parse((await listener.named("closing")).data), { reason: "closed" });
        assert.equal(listener.ended, true);
      }
      await send("/sse/broadcast", "after");
      await bob.has("after");
    });

    test("a quiet stream gets heartbeats", async () => {
      await begin("--heartbeat-ms", "50");
      const alice = await client.listen("/sse/subscribe/alice");
      await until("three heartbeats", () => (alice.text.match(/^:/gm) ?? []).length >= 3);
      assert.equal(alice.events.length, 1);
    });

    // Enough that no kernel holds it for who does not read, in events of which some fit into the queue.
    const FLOOD = 200;
    const flood = async () => {
      for (let number = 0; number < FLOOD; ++number) await send("/sse/send/slow", `${number}:${"x".repeat(200_000)}`);
    };
    const slow_and_quick = async () => {
      const slow = await client.listen("/sse/subscribe/slow");
      const quick = await client.listen("/sse/subscribe/quick");
      await connected(slow);
      slow.response.pause();
      return { slow, quick };
    };
    const ended_abruptly = async (slow) => {
      slow.response.resume();
      await slow.end();
      assert.equal(slow.ended, false, "as if it had had all");
      if (kind === Http2Client) assert.notEqual(slow.code, NGHTTP2_NO_ERROR);
      assert.ok(!slow.events.some((event) => event.name === "closing"));
    };
    const quick_is_served = async (quick) => {
      await send("/sse/send/quick", "still here");
      await quick.has("still here");
      assert.equal((await client.ask("/healthz")).text, "ok");
    };

    test("--overflow close: who does not read one stream loses it, and no other", async () => {
      await begin();
      const { slow, quick } = await slow_and_quick();
      await flood();
      await streams_become(1);
      assert.equal(await hub.metric('spate_streams_ended_total{reason="overflow"}'), 1);
      await quick_is_served(quick);
      await ended_abruptly(slow);
    });

    for (const policy of ["drop-oldest", "drop-newest", "coalesce"]) {
      test(`--overflow ${policy}: the stream goes on, and what was dropped is told as a gap`, async () => {
        await begin("--overflow", policy);
        const { slow, quick } = await slow_and_quick();
        await flood();
        await quick_is_served(quick);
        slow.response.resume();
        // One that finds room again: with drop-newest the first may still find none.
        await until("an event after the flood", async () => {
          await send("/sse/send/slow", "after");
          return slow.data.includes("after");
        });
        const gaps = slow.events.filter((event) => event.name === "gap").map((event) => JSON.parse(event.data));
        assert.ok(gaps.length > 0, "nothing was told");
        for (const gap of gaps) assert.deepEqual([gap.requested, gap.reason], [null, "overflow"]);
        assert.ok((await hub.metric("spate_dropped_events_total")) > 0);
        // Those that came are in order, each once.
        const numbers = slow.data.filter((data) => data !== "after").map((data) => parseInt(data));
        assert.ok(numbers.length < FLOOD, "all of them came");
        assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b));
        if (policy === "drop-newest") assert.equal(numbers[0], 0);
        else assert.equal(numbers.at(-1), FLOOD - 1);
        assert.equal((await hub.count()).streams, 2);
      });
    }

    test("--write-timeout-ms: a stream that is not read for so long ends, and no other", async () => {
      await begin("--write-timeout-ms", "500", "--max-queued-bytes", "100000000");
      const { slow, quick } = await slow_and_quick();
      await flood();
      await streams_become(1);
      assert.equal(await hub.metric('spate_streams_ended_total{reason="write_timeout"}'), 1);
      await quick_is_served(quick);
      await ended_abruptly(slow);
    });

    test("polls: from now, waiting, from a cursor, a gap alone, closed", async () => {
      await begin("--replay-events", "3", "--poll-grace-ms", "200");
      const path = "/sse/subscribe/alice?transport=poll";
      const poll = async (more = "", headers = {}) => {
        const answer = await client.ask(path + more, { headers });
        assert.equal(answer.status, 200, answer.text);
        assert.equal(answer.headers["content-type"], "application/json");
        assert.match(answer.headers["cache-control"], /no-store/);
        return answer.json();
      };
      // When the grace period of the last poll is over, whoever is online is waiting.
      const waits = async () => {
        await until("the end of the grace", async () => (await hub.users()).length === 0);
        return () => until("a poll that waits", async () => (await hub.users()).includes("alice"));
      };
      const begun = await poll("&timeout=0");
      assert.deepEqual(begun.events, []);
      assert.notEqual(begun.last_event_id, "");
      let is_waiting = await waits();
      const waiting = poll(`&last_event_id=${begun.last_event_id}`);
      await is_waiting();
      const id = await send("/sse/send/alice?event=note&retry=7", "one\ntwo");
      assert.deepEqual(await waiting, {
        events: [{ id, event: "note", data: "one\ntwo", retry: 7 }],
        last_event_id: id,
      });
      for (let number = 0; number < 5; ++number) await send("/sse/send/alice", String(number));
      const missed = await poll("&timeout=0", { "last-event-id": id });
      assert.equal(missed.events[0].event, "gap");
      assert.deepEqual(missed.events.slice(1).map(({ data }) => data), ["2", "3", "4"]);
      is_waiting = await waits();
      const last = poll(`&last_event_id=${missed.last_event_id}`);
      await is_waiting();
      await hub.post("/sse/close/alice");
      assert.deepEqual((await within("the answer", last)).events, []);
      assert.equal((await client.ask(path + "&timeout=60001")).status, 400);
      // Who asks for JSON polls.
      const accepting = await client.ask("/sse/subscribe/alice?timeout=0", { headers: { accept: "application/json" } });
      assert.equal(accepting.headers["content-type"], "application/json");
      await waits();
    });

    test("iframes: a call for each event", async () => {
      await begin();
      const frame = await client.listen("/sse/subscribe/alice?transport=iframe&callback=heard");
      assert.match(frame.headers["content-type"], /^text\/html; *charset=utf-8$/);
      assert.match(frame.headers["content-security-policy"], /frame-ancestors/);
      const id = await send("/sse/send/alice?event=note", "</script>");
      await until("the event", () => frame.text.includes(id));
      assert.match(frame.text, /parent\.heard\(/);
      assert.equal(frame.text.split("</script>").length, frame.text.split("<script>").length);
      await hub.post("/sse/close/alice");
      await frame.end();
      assert.equal(frame.ended, true);
      assert.match(frame.text, /"closing"/);
      assert.equal((await client.ask("/sse/subscribe/alice?transport=iframe&callback=a.b")).status, 400);
    });
  });
}

describe("answers over HTTP/2 and over HTTP/1.1", { timeout: 120_000 }, () => {
  const token = { authorization: "Bearer secret" };
  const own = ["connection", "keep-alive", "transfer-encoding", "date"];
  const long = "x".repeat(9_000);
  // [method, path, more]
  const requests = [
    ["GET", "/"],
    ["GET", "/spate.js"],
    ["GET", "/healthz"],
    ["HEAD", "/healthz"],
    ["HEAD", "/"],
    ["HEAD", "/sse/subscribe/alice"],
    ["OPTIONS", "/sse/send/alice"],
    ["OPTIONS", "/sse/send/alice", { headers: { origin: "https://app.example.test", "access-control-request-method": "POST" } }],
    ["OPTIONS", "/sse/send/alice", { headers: { origin: "https://evil.example.test", "access-control-request-method": "POST" } }],
    ["GET", "/sse/users", { headers: { origin: "https://app.example.test" } }],
    ["GET", "/sse/users", { headers: { origin: "https://evil.example.test" } }],
    ["GET", "/sse/users", { headers: { "sec-fetch-site": "cross-site" } }],
    ["GET", "/sse/users"],
    ["GET", "/sse/count"],
    ["GET", "/sse/position"],
    ["GET", "/nowhere"],
    ["GET", "/sse/subscribe/"],
    ["GET", "/sse/subscribe/%"],
    ["GET", "/sse/subscribe/" + "x".repeat(257)],
    ["GET", "/sse/subscribe/alice?transport=pigeon"],
    ["GET", "/sse/close/alice"],
    ["DELETE", "/sse/users"],
    ["PUT", "/sse/send/alice", { body: "hello", headers: token }],
    ["BREW", "/"],
    ["POST", "/sse/send/alice", { body: "hello" }],
    ["POST", "/sse/send/alice", { body: "hello", headers: { authorization: "Bearer wrong" } }],
    ["POST", "/sse/send", { body: "hello", headers: token }],
    ["POST", "/sse/send/alice?event=connected", { body: "hello", headers: token }],
    ["POST", "/sse/send/alice?retry=x", { body: "hello", headers: token }],
    ["POST", "/sse/send/alice", { body: "x".repeat(1_001), headers: token }],
    ["POST", "/sse/send/alice", { body: Buffer.from([0xff]), headers: token }],
    ["POST", "/sse/close/nobody", { body: "", headers: token }],
    ["GET", "/" + long],
    ["GET", "/", { headers: { "x-long": "x".repeat(17_000) } }],
  ];
  const options = ["--publish-token", "secret", "--allow-origin", "https://app.example.test", "--max-body-bytes", "1000"];

  test("are the same, but for the fields that HTTP/2 does not have", async () => {
    hub = await start_tls_hub(authority, pair, ...options);
    const differences = [];
    for (const [method, path, more] of requests) {
      const answers = [];
      for (const kind of [Http1Client, Http2Client]) {
        const { status, headers, text } = await within(`${kind.name}: ${method} ${path.slice(0, 60)}`, (await open(kind)).ask(path, { method, ...more }));
        const fields = Object.entries(headers).filter(([name]) => !name.startsWith(":") && !own.includes(name));
        if (kind === Http2Client) for (const name of own.slice(0, 3)) assert.equal(headers[name], undefined, `${method} ${path}`);
        answers.push(JSON.stringify({ status, text, fields: fields.sort() }));
      }
      if (answers[0] === answers[1]) continue;
      differences.push(`${method} ${path.slice(0, 60)}\n  ${answers.join("\n  ").slice(0, 1000)}`);
    }
    assert.deepEqual(differences, []);
  });
});

describe("command line clients", { timeout: 300_000 }, () => {
  beforeEach(async () => (hub = await start_tls_hub(authority, pair, "--max-queued-bytes", "16777216")));
  let plain;
  before(async () => (plain = await start_hub()));
  after(() => plain?.stop());
  const curl = (...options) => start("curl", ["-sS", "--cacert", authority.file, ...options]);

  for (const [option, encrypted] of [["--http2", true], ["--http2-prior-knowledge", true], ["--http2-prior-knowledge", false]]) {
    const way = encrypted ? "over TLS" : "in the clear";
    test(`curl ${option} ${way}: each event is printed when it is sent, and the end is an end`, async () => {
      const one = encrypted ? hub : plain;
      const client = curl("-N", "-i", option, `${one.url}/sse/subscribe/curl`);
      await client.printed(/event: connected\n[^]*\n\n/);
      for (let number = 0; number < 10; ++number) {
        const { id } = await one.send("/sse/send/curl?event=note", `<${number}>`);
        await client.printed(new RegExp(`id: ${id}\n`));
        await client.printed(new RegExp(`data: <${number}>\n`));
      }
      await one.post("/sse/close/curl");
      assert.equal(await within("the end of curl", client.exit), 0, client.stderr);
      assert.match(client.stdout, /^HTTP\/2 200 \r\n/);
      assert.match(client.stdout, /event: closing\n/);
      const [head] = client.stdout.split("\r\n\r\n");
      assert.match(head, /^content-type: text\/event-stream/m);
      assert.doesNotMatch(head, /^(connection|keep-alive|transfer-encoding):/im);
      const names = head.split("\r\n").slice(1).map((line) => line.split(":")[0]);
      assert.deepEqual(names, names.map((name) => name.toLowerCase()));
    });
  }

  test("curl --http2 in the clear asks for an upgrade, which there is not: HTTP/1.1", async () => {
    const client = curl("-i", "--http2", `${plain.url}/healthz`);
    assert.equal(await within("the end of curl", client.exit), 0, client.stderr);
    assert.match(client.stdout, /^HTTP\/1\.1 200 /);
    assert.doesNotMatch(client.stdout, /^upgrade:/im);
  });

  test("curl --parallel: thirty streams over one connection, while curl sends", async () => {
    const urls = Array.from({ length: 30 }, (_, number) => `${hub.url}/sse/subscribe/curl-${number}`);
    const client = curl("-N", "--http2", "--parallel", "--parallel-max", "30", ...urls);
    await streams_become(30);
    assert.equal(await connections(), 1);
    const sender = curl("--http2", "-w", "%{http_version} %{http_code}", "-d", "to all", `${hub.url}/sse/broadcast`);
    assert.equal(await within("the end of curl", sender.exit), 0, sender.stderr);
    assert.match(sender.stdout, /"streams":30\}2 202$/);
    await until("each to hear it", () => client.stdout.split("data: to all\n").length === 31);
    await client.stop();
    await streams_become(0);
  });

  test("nghttp listens to two streams and sends, all frames to its liking", async () => {
    const client = start("nghttp", ["-v", `${hub.url}/sse/subscribe/one`, `${hub.url}/sse/subscribe/two`]);
    await streams_become(2);
    assert.equal(await connections(), 1);
    const sender = start("nghttp", ["-d", authority.file, `${hub.url}/sse/broadcast`]);
    assert.equal(await within("the end of nghttp", sender.exit), 0, sender.stderr);
    assert.match(sender.stdout, /"streams":2\}/);
    await until("both to hear it", () => client.stdout.split("data: -----END CERTIFICATE-----\n").length === 3);
    await hub.post("/sse/close/one");
    await hub.post("/sse/close/two");
    assert.equal(await within("the end of nghttp", client.exit), 0, client.stderr);
    assert.equal(client.stdout.split("event: closing\n").length, 3);
    assert.match(client.stdout, /:status: 200/);
    assert.doesNotMatch(client.stdout, /recv (RST_STREAM|GOAWAY)|INVALID|error_code=(?!NO_ERROR)/);
  });

  const h2load = async (...options) => {
    const client = start("h2load", options);
    assert.equal(await within("the end of h2load", client.exit, 60_000), 0, client.stderr);
    const [, total] = /requests: (\d+) total/.exec(client.stdout);
    const all_well = `${total} done, ${total} succeeded, 0 failed, 0 errored, 0 timeout\n`;
    assert.ok(client.stdout.includes(all_well), client.stdout);
    assert.match(client.stdout, new RegExp(`status codes: ${total} 2xx`));
  };

  test("h2load: twenty thousand requests over TLS and in the clear, all answered", async () => {
    const options = ["-n", "10000", "-c", "8", "-m", "64"];
    await h2load(...options, `${hub.url}/healthz`);
    await h2load(...options, `${plain.url}/healthz`);
  });

  test("h2load sends ten thousand events to a hundred streams of one connection", async () => {
    const client = await open();
    const listeners = await listen_many(client, 100, (number) => `load-${number}`);
    const body = authority.path("body.txt");
    writeFileSync(body, "from h2load");
    await h2load("-n", "10000", "-c", "4", "-m", "32", "-d", body, `${hub.url}/sse/group/load-1`);
    // load-1 and load-10 to load-19.
    const reached = listeners.filter((_, number) => /^1/.test(String(number)));
    assert.equal(reached.length, 11);
    for (const listener of reached) {
      await until("all", () => listener.sent.length === 10_000);
      assert.ok(listener.data.every((data) => data === "from h2load"));
    }
    assert.equal(await hub.metric("spate_dropped_events_total"), 0);
  });

  test("h2load: a burst of two thousand streams that live for a moment", async () => {
    const short = await start_tls_hub(authority, pair, "--lifetime-ms", "300");
    try {
      await h2load("-n", "2000", "-c", "2", "-m", "250", `${short.url}/sse/subscribe/burst`);
      await until("the last to be forgotten", async () => (await short.count()).streams === 0);
      assert.equal(await short.metric('spate_streams_ended_total{reason="lifetime"}'), 2_000);
    } finally {
      await short.stop();
    }
  });

  test("Java's HttpClient listens as twenty users over one connection", async () => {
    const users = Array.from({ length: 20 }, (_, number) => `java-${number}`);
    const source = fileURLToPath(new URL("support/Listen.java", import.meta.url));
    const client = start("java", [source, hub.url, authority.file, ...users]);
    await until("the last to be open", () => {
      if (client.ended !== undefined) throw new Error(`java ended with ${client.ended}: ${client.stderr}`);
      return /^sent java-19 /m.test(client.stdout);
    }, 60_000);
    assert.equal(await connections(), 1);
    for (const user of users) {
      assert.match(client.stdout, new RegExp(`^open ${user} 200 HTTP_2$`, "m"));
      assert.match(client.stdout, new RegExp(`^sent ${user} 202 HTTP_2$`, "m"));
      await client.printed(new RegExp(`^${user} data: Java to ${user}$`, "m"));
    }
    for (let number = 0; number < 50; ++number) await hub.send("/sse/group/java", `number ${number}`);
    for (const user of users) {
      await client.printed(new RegExp(`^${user} data: number 49$`, "m"));
      const heard = client.stdout.split("\n").filter((line) => line.startsWith(`${user} data: number `));
      assert.deepEqual(heard, Array.from({ length: 50 }, (_, number) => `${user} data: number ${number}`));
    }
    for (const user of users) await hub.post(`/sse/close/${user}`);
    assert.equal(await within("the end of Java", client.exit), 0, client.stderr);
    assert.equal(client.stdout.match(/^end java-/gm).length, 20);
  });
});

describe("clients from npm over https", { timeout: 120_000 }, () => {
  const program = fileURLToPath(new URL("support/npm_client.mjs", import.meta.url));
  for (const name of Object.keys(npm_clients)) {
    test(`${name} resumes after cuts with every event once and in order`, async () => {
      hub = await start_tls_hub(authority, pair);
      const proxy = await start_proxy(hub.port);
      const env = { ...process.env, NODE_EXTRA_CA_CERTS: authority.file };
      const url = `https://127.0.0.1:${proxy.port}/sse/subscribe/alice`;
      const client = start(process.execPath, [program, name, url], { env });
      const taken = () => {
        const events = client.stdout.split("\n").slice(0, -1).map((line) => JSON.parse(line));
        return events.filter((event) => !["connected", "closing"].includes(event.name));
      };
      try {
        await until("the subscription", async () => (await hub.count()).streams === 1);
        const sent = [];
        for (let number = 0; number < 60; ++number) {
          const { id } = await hub.send(`/sse/send/alice${number === 0 ? "?retry=20" : ""}`, `number ${number}`);
          sent.push({ id, name: "message", data: `number ${number}` });
          if (number % 20 !== 10) continue;
          if (number === 10 || needs_whole_events.includes(name)) {
            await until("everything so far", () => taken().length === sent.length);
          }
          await until("its connection", () => proxy.open === 1);
          assert.equal(proxy.cut(), 1);
        }
        await until("the last event", () => taken().at(-1)?.id === sent.at(-1).id);
        assert_same_events(taken(), sent);
        assert.equal(proxy.connections, 4);
      } finally {
        await client.stop();
        proxy.stop();
      }
    });
  }
});

describe("proxies that speak TLS and HTTP/2", { timeout: 300_000 }, () => {
  const front = authority.issue("proxy");
  // [what, whether the hub speaks TLS, the proxy, what it speaks with the hub]
  const proxies = [
    ["nginx in front of a hub in the clear", false, start_tls_nginx, "http/1.1"],
    ["nginx in front of a hub that speaks TLS", true, start_tls_nginx, "http/1.1"],
    ["haproxy that speaks HTTP/2 with a hub in the clear", false, start_http2_haproxy, "h2"],
    ["haproxy that speaks HTTP/2 over TLS with the hub", true, start_http2_haproxy, "h2"],
  ];
  for (const [what, encrypted, start_it, protocol] of proxies) {
    test(`${what}: each event within ${LATEST_MS} ms, to many streams of one connection`, async () => {
      hub = encrypted ? await start_tls_hub(authority, pair) : await start_hub();
      const proxy = await start_it(authority, front, hub.url);
      try {
        const client = await open(Http2Client, proxy.url);
        const listeners = await listen_many(client, 50);
        await streams_become(50);
        const behind = await hub.metric(`spate_connections{protocol="${protocol}",tls="${encrypted ? 1 : 0}"}`);
        assert.ok(behind > 0, `it does not speak ${protocol}`);
        const curl = start("curl", ["-sSN", "--http2", "--cacert", authority.file, `${proxy.url}/sse/subscribe/curl`]);
        await curl.printed(/event: connected\n/);
        const times = [];
        for (let number = 0; number < 30; ++number) {
          const mark = `<${number}>`;
          const sent = performance.now();
          const { streams } = await client.send("/sse/broadcast", "x".repeat(number * 10) + mark);
          assert.equal(streams, 51);
          await until(mark, () => curl.stdout.includes(mark + "\n") && listeners.every((each) => each.sent.length === number + 1));
          times.push(performance.now() - sent);
        }
        assert.ok(Math.max(...times) < LATEST_MS, `took ${times.map((time) => time.toFixed(1)).join(", ")} ms`);
        for (const { data } of listeners) assert.deepEqual(data, listeners[0].data);
        assert.equal((await client.ask("/nowhere")).status, 404);
        assert.equal((await client.ask("/sse/subscribe/poll?transport=poll&timeout=0")).status, 200);
        // A client that goes is noticed behind the proxy, and so is one stream of many.
        await curl.stop();
        listeners[0].cancel();
        await until("both to be gone", async () => !(await hub.users()).some((user) => ["curl", "user-0"].includes(user)));
        await client.send("/sse/send/user-1", "after");
        await listeners[1].has("after");
        // What ends in order at the hub ends so at the client.
        await hub.post("/sse/close/user-1");
        await listeners[1].end();
        assert.deepEqual([listeners[1].events.at(-1).name, listeners[1].ended], ["closing", true]);
        console.log(`${what}: ${behind} connections behind it, the slowest event ${Math.max(...times).toFixed(1)} ms`);
      } finally {
        for (const client of clients) client.close();
        await proxy.stop();
      }
    });
  }
});
