// Compressed streams with clients and proxies of others: who asks for gzip gets each event as soon as it was sent, and
// exactly what who does not ask gets.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { ask } from "./support/ask.mjs";
import { Authority } from "./support/certificates.mjs";
import { start_proxy } from "./support/cutting_proxy.mjs";
import { Http1Client, Http2Client } from "./support/event_clients.mjs";
import { numbers } from "./support/hostile.mjs";
import { start_hub, start_tls_hub } from "./support/hub.mjs";
import { clients as npm_clients } from "./support/npm_clients.mjs";
import { PrintedEvents } from "./support/printed_events.mjs";
import { start_caddy, start_haproxy, start_nginx } from "./support/reverse_proxies.mjs";
import { assert_same_events } from "./support/same_events.mjs";
import { until, within } from "./support/until.mjs";
import { send_varied, varied_text } from "./support/varied_events.mjs";

const gzip = { "accept-encoding": "gzip" };
const EVENTS = 24;
const room = "/sse/subscribe/alice?topic=room";

const authority = new Authority();
const pair = authority.issue("hub");

/// What gunzip makes of a whole body. It fails unless sum and length at the end are right, and nothing comes after them.
const gunzipped = (pieces) => execFileSync("gunzip", ["-c"], { input: Buffer.concat(pieces), encoding: "utf8", maxBuffer: 1 << 28 });

const nobody = (hub) => until("nobody online", async () => (await hub.count()).streams === 0);

describe("compressed streams", { timeout: 300_000 }, () => {
  // Without heartbeats: nothing else brings an event that was held back.
  const options = ["--heartbeat-ms", "0", "--max-queued-bytes", "16777216", "--poll-grace-ms", "100"];
  let hub;
  let encrypted;
  before(async () => {
    hub = await start_hub(...options);
    encrypted = await start_tls_hub(authority, pair, ...options);
  });
  after(async () => {
    await hub?.stop();
    await encrypted?.stop();
  });

  describe("curl", () => {
    const ways = [
      ["--http1.1", false],
      ["--http1.0", false],
      ["--http2-prior-knowledge", false],
      ["--http1.1", true],
      ["--http2", true],
    ];
    for (const [version, over_tls] of ways) {
      test(`${version}${over_tls ? " over TLS" : ""} --compressed prints each event before the next is sent`, async () => {
        const one = over_tls ? encrypted : hub;
        const before = await one.metric("spate_compressed_bytes_total");
        const options = ["-sS", "-N", "-i", "--compressed", "--cacert", authority.file, version];
        const curl = new PrintedEvents("curl", [...options, one.url + room]);
        try {
          const head = await curl.head();
          assert.match(head, /^content-encoding: gzip\r$/im);
          assert.match(head, /^vary: Accept-Encoding\r$/im);
          assert.match(head, /^cache-control: no-store, no-transform\r$/im);
          const sent = await send_varied(one, "alice", EVENTS, (count) => curl.until_it_has(count));
          await one.post("/sse/close/alice");
          // It compares the sum and the length at the end.
          assert.equal(await curl.end(), 0, curl.program.stderr);
          await curl.until_it_has(sent.length);
          assert_same_events(curl.sent, sent);
          assert.equal(curl.events.at(-1).name, "closing");
          assert.ok((await one.metric("spate_compressed_bytes_total")) > before);
        } finally {
          await curl.stop();
          await nobody(one);
        }
      });
    }

    test("without --compressed it gets the stream as it is", async () => {
      const before = await hub.metric("spate_compressed_bytes_total");
      const curl = new PrintedEvents("curl", ["-sS", "-N", "-i", hub.url + room]);
      try {
        const head = await curl.head();
        assert.doesNotMatch(head, /^content-encoding:/im);
        assert.match(head, /^vary: Accept-Encoding\r$/im);
        const sent = await send_varied(hub, "alice", EVENTS, (count) => curl.until_it_has(count));
        assert_same_events(curl.sent, sent);
        assert.equal(await hub.metric("spate_compressed_bytes_total"), before);
      } finally {
        await curl.stop();
        await nobody(hub);
      }
    });
  });

  describe("what a client asks for", () => {
    // [Accept-Encoding, whether it admits gzip]
    const fields = [
      [undefined, false],
      ["", false],
      ["identity", false],
      ["br, zstd, deflate", false],
      ["gzip;q=0", false],
      ["gzip;q=0.000, identity", false],
      ["*;q=0", false],
      ["gzip;q=0, *", false],
      ["gzip", true],
      ["GZIP", true],
      ["gzip;q=0.5", true],
      ["gzip;q=0.001, identity;q=1", true],
      ["gzip, deflate, br, zstd", true],
      ["br;q=1.0, gzip;q=0.8, *;q=0.1", true],
      ["*", true],
      ["*;q=0, gzip;q=1", true],
      ["identity;q=0, gzip", true],
    ];
    const targets = {
      "a stream": "/sse/subscribe/alice",
      "a stream in a frame": "/sse/subscribe/alice?transport=iframe",
      "the answer to a poll": "/sse/subscribe/alice?transport=poll&timeout=0",
      "a page": "/",
    };
    // Those that are of the connection, of the moment, or of a body that a HEAD does not make.
    const own = ["date", "connection", "keep-alive", "transfer-encoding", "content-length"];
    const fields_of = (headers) => Object.fromEntries(Object.entries(headers).filter(([name]) => !own.includes(name) && name[0] !== ":"));

    for (const [title, target] of Object.entries(targets)) {
      test(`decides how ${title} is coded, and a HEAD tells the same`, async () => {
        for (const Client of [Http1Client, Http2Client]) {
          const client = await Client.open(hub.url);
          try {
            for (const [asked, admitted] of fields) {
              const headers = asked === undefined ? {} : { "accept-encoding": asked };
              const got = await client.listen(target, headers);
              got.cancel();
              const what = `${Client.name}, ${asked}`;
              assert.equal(got.status, 200, what);
              assert.equal(got.headers["content-encoding"], admitted ? "gzip" : undefined, what);
              assert.equal(got.headers.vary, "Accept-Encoding", what);
              if (title.startsWith("a stream")) assert.equal(got.headers["cache-control"], "no-store, no-transform", what);
              const head = await client.ask(target, { method: "HEAD", headers });
              assert.deepEqual(fields_of(head.headers), fields_of(got.headers), what);
              assert.equal(head.text, "");
            }
          } finally {
            client.close();
          }
        }
        await nobody(hub);
      });
    }

    test("a short answer stays as it is, and says nothing of it", async () => {
      const { headers } = await ask(hub.url + "/sse/count", { headers: gzip });
      assert.equal(headers["content-encoding"], undefined);
      assert.equal(headers.vary, undefined);
    });
  });

  describe("the end of a compressed body", () => {
    const beating = ["--heartbeat-ms", "50"];
    // [what ends it, more options of the hub, how]
    const ends = [
      ["a farewell", [], (one) => one.post("/sse/close/alice"), "closed"],
      ["a shutdown", [], (one) => one.stop(), "shutdown"],
      ["its lifetime", ["--lifetime-ms", "1500"], () => {}, "lifetime"],
    ];
    for (const [what, more, end, reason] of ends) {
      test(`has the right sum and length after ${what}`, async () => {
        const one = await start_hub(...beating, ...more);
        let stopped = false;
        const clients = [];
        const open = async (Client) => {
          clients.push(await Client.open(one.url));
          return clients.at(-1);
        };
        try {
          await send_varied(one, "alice", 10, () => {}, { largest: 20_000 });
          const twin = await (await open(Http1Client)).listen(room, { "last-event-id": "earliest" });
          const heard = [];
          for (const Client of [Http1Client, Http2Client]) {
            heard.push(await (await open(Client)).listen(room, { ...gzip, "last-event-id": "earliest" }));
          }
          // As a proxy that speaks HTTP/1.0 gets it.
          const curl = new PrintedEvents("curl", ["-sS", "-N", "-i", "--http1.0", "--compressed", "-H", "Last-Event-ID: earliest", one.url + room]);
          await curl.head();
          await send_varied(one, "alice", 30, () => {}, { largest: 20_000 });
          for (const each of [twin, ...heard]) if (reason !== "lifetime") await until("all", () => each.sent.length === 40);
          await end(one);
          stopped = reason === "shutdown";
          assert.equal(await curl.end(), 0, curl.program.stderr);
          await curl.until_it_has(10);
          const closing = (events) => {
            const last = events.at(-1);
            assert.deepEqual([last.name, JSON.parse(last.data)], ["closing", { reason }]);
          };
          closing(curl.events);
          await twin.end();
          for (const each of heard) {
            await each.end();
            assert.equal(each.ended, true);
            assert.equal(each.broken, undefined);
            closing(each.events);
            assert.equal(gunzipped(each.pieces), each.text);
            // A lifetime ends each a little sooner or later, so that not all come back at once.
            const both = Math.min(each.sent.length, twin.sent.length);
            assert.ok(both >= 10);
            assert_same_events(each.sent.slice(0, both), twin.sent.slice(0, both));
            if (reason !== "lifetime") assert_same_events(each.sent, twin.sent);
          }
        } finally {
          for (const client of clients) client.close();
          if (!stopped) await one.stop();
        }
      });
    }
  });

  describe("clients of others ask for what they can read", () => {
    let proxy;
    let folder;
    before(async () => {
      proxy = await start_proxy(hub.port);
      folder = mkdtempSync(join(tmpdir(), "spate-compression-"));
    });
    after(() => {
      proxy?.stop();
      rmSync(folder, { recursive: true, force: true });
    });
    afterEach(() => nobody(hub));

    /// What the newest connection asked for, and how it was answered.
    const codings = async () => {
      const heads = await until("an answer", () => proxy.heads.find(({ asked, answered }) => asked.includes("/alice") && answered.endsWith("\r\n\r\n")));
      proxy.heads.length = 0;
      const field = (name, head) => new RegExp(`^${name}: (.*)\r$`, "im").exec(head)?.[1];
      return { asked: field("accept-encoding", heads.asked), coded: field("content-encoding", heads.answered) };
    };

    for (const [name, listen] of Object.entries(npm_clients)) {
      test(`${name}: gzip, each event before the next is sent`, async () => {
        const heard = [];
        const stop = await listen(proxy.url + room, (event) => event.name !== "connected" && heard.push(event));
        try {
          const { asked, coded } = await codings();
          assert.match(asked, /\bgzip\b/);
          assert.equal(coded, "gzip");
          await until("the subscription", async () => (await hub.count()).streams === 1);
          const seen = (count) => until(`event ${count}`, () => heard.length === count);
          assert_same_events(heard, await send_varied(hub, "alice", EVENTS, seen));
        } finally {
          stop();
        }
      });
    }

    test("fetch of Node: gzip, and a pipeline of web streams", async () => {
      const { EventSourceParserStream } = await import("eventsource-parser/stream");
      const controller = new AbortController();
      const answer = await fetch(proxy.url + room, { signal: controller.signal });
      const events = answer.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream()).getReader();
      try {
        const { asked, coded } = await codings();
        assert.match(asked, /\bgzip\b/);
        assert.equal(coded, "gzip");
        const heard = [];
        const next = async () => {
          const { value } = await within("an event", events.read());
          return { id: value.id, name: value.event ?? "message", data: value.data };
        };
        assert.equal((await next()).name, "connected");
        assert_same_events(heard, await send_varied(hub, "alice", EVENTS, async () => heard.push(await next())));
      } finally {
        await events.cancel().catch(() => {});
        controller.abort();
      }
    });

    test("http.get of Node: nothing, unless it is told to", async () => {
      const client = await Http1Client.open(proxy.url);
      try {
        for (const headers of [{}, gzip]) {
          const heard = await client.listen(room, headers);
          const { asked, coded } = await codings();
          assert.equal(asked, headers["accept-encoding"]);
          assert.equal(coded, headers["accept-encoding"]);
          const seen = (count) => until(`event ${count}`, () => heard.sent.length === count);
          const sent = await send_varied(hub, "alice", EVENTS, seen);
          assert_same_events(heard.sent, sent);
          heard.cancel();
          await nobody(hub);
        }
      } finally {
        client.close();
      }
    });

    const support = (file) => fileURLToPath(new URL(`support/${file}`, import.meta.url));
    /// A program that prints what it hears. It asks for `by_itself` unless it is told another, as it is once for each of
    /// `told`.
    const prints = async (command, args, by_itself, told = [[], ["gzip"]]) => {
      for (const more of told) {
        const client = new PrintedEvents(command, [...args, proxy.url + room, ...more]);
        try {
          const { asked, coded } = await codings();
          assert.equal(asked, more[0] ?? by_itself);
          assert.equal(coded, asked === "gzip" ? "gzip" : undefined);
          assert.equal((await client.head()).trim(), `coding: ${coded ?? "identity"}`);
          const sent = await send_varied(hub, "alice", EVENTS, (count) => client.until_it_has(count));
          await hub.post("/sse/close/alice");
          assert.equal(await client.end(), 0, client.program.stderr);
          await client.until_it_has(sent.length);
          assert_same_events(client.sent, sent);
          assert.equal(client.events.at(-1).name, "closing");
        } finally {
          await client.stop();
        }
      }
    };

    for (const client of ["http.client", "urllib"]) {
      test(`Python's ${client}: identity; told to, it reads gzip with zlib`, async () => {
        await prints("python3", [support("listen.py"), client], "identity");
      });
    }

    test("Java's HttpClient and HttpURLConnection: nothing; told to, they read gzip with GZIPInputStream", async () => {
      execFileSync("javac", ["-J-XX:TieredStopAtLevel=1", "-d", folder, support("ListenCompressed.java")]);
      for (const client of ["HttpClient", "HttpURLConnection"]) {
        await prints("java", ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", folder, "ListenCompressed", client], undefined);
      }
    });

    test("Go's net/http: gzip, which it reads by itself", async () => {
      const program = join(folder, "listen");
      const env = { ...process.env, GOCACHE: join(folder, "cache"), GO111MODULE: "off", GOFLAGS: "" };
      execFileSync("go", ["build", "-o", program, support("listen.go")], { env });
      await prints(program, [], "gzip", [[]]);
    });
  });

  describe("behind proxies that compress themselves", () => {
    afterEach(() => nobody(hub));
    const eager = "gzip on; gzip_proxied any; gzip_min_length 0; gzip_types *;";
    const http1 = 'proxy_http_version 1.1; proxy_set_header Connection "";';
    const haproxy = (...more) => ["compression algo gzip", "compression type text/event-stream text/html", ...more].join("\n  ");
    // [what, the proxy, how a stream and how a page come out of it, whether the hub compresses them]
    const proxies = [
      ["nginx with gzip on", () => start_nginx(hub.port, eager + http1), "gzip", "gzip", true],
      ["nginx with gzip on, as it speaks HTTP/1.0", () => start_nginx(hub.port, eager), "gzip", "gzip", true],
      ["nginx with gzip on, that asks for nothing", () => start_nginx(hub.port, eager + http1 + 'proxy_set_header Accept-Encoding "";'), "gzip", "gzip", false],
      ["nginx that asks for nothing", () => start_nginx(hub.port, http1 + 'proxy_set_header Accept-Encoding "";'), undefined, undefined, false],
      ["haproxy with compression", () => start_haproxy(hub.port, haproxy()), "gzip", "gzip", true],
      // It minds no-transform.
      ["haproxy with compression, that asks for nothing", () => start_haproxy(hub.port, haproxy("compression offload")), undefined, "gzip", false],
      ["caddy with encode", () => start_caddy(hub.port, "encode zstd gzip"), "gzip", "gzip", true],
      ["caddy with encode, that asks for nothing", () => start_caddy(hub.port, "encode zstd gzip", "header_up Accept-Encoding identity"), undefined, "gzip", false],
    ];
    for (const [what, start_it, stream, page, by_the_hub] of proxies) {
      test(`${what}: once at most, and each event before the next is sent`, async () => {
        const proxy = await start_it();
        const client = await Http1Client.open(proxy.url);
        try {
          const before = await hub.metric("spate_compressed_bytes_total");
          const heard = await client.listen(room, gzip);
          assert.equal(heard.headers["content-encoding"], stream);
          const seen = (count) => until(`event ${count}`, () => heard.sent.length === count);
          const sent = await send_varied(hub, "alice", EVENTS, seen);
          assert_same_events(heard.sent, sent);
          assert.equal((await hub.metric("spate_compressed_bytes_total")) > before, by_the_hub);
          await hub.post("/sse/close/alice");
          await heard.end();
          assert.deepEqual([heard.events.at(-1).name, heard.ended, heard.broken], ["closing", true, undefined]);
          if (stream) assert.equal(gunzipped(heard.pieces), heard.text);
          // Who asks for nothing gets nothing, whatever the proxy did for another.
          const plain = await client.listen(room);
          assert.equal(plain.headers["content-encoding"], undefined);
          await plain.named("connected");
          plain.cancel();
          const answer = await client.listen("/", gzip);
          await answer.end();
          assert.equal(answer.headers["content-encoding"], page);
          assert.equal(answer.text, (await ask(hub.url + "/")).text);
        } finally {
          client.close();
          await proxy.stop();
        }
      });
    }
  });

  test("with --compress off nothing is compressed, and nobody is told that it might be", async () => {
    const one = await start_hub("--compress", "off");
    const clients = [];
    try {
      for (const Client of [Http1Client, Http2Client]) {
        const client = await Client.open(one.url);
        clients.push(client);
        for (const target of [room, room + "&transport=iframe", room + "&transport=poll&timeout=0", "/"]) {
          const got = await client.listen(target, gzip);
          assert.equal(got.status, 200);
          assert.equal(got.headers["content-encoding"], undefined, target);
          assert.equal(got.headers.vary, undefined, target);
          if (target === room) {
            const seen = (count) => until(`event ${count}`, () => got.sent.length === count);
            const sent = await send_varied(one, "alice", 5, seen);
            assert_same_events(got.sent, sent);
          }
          got.cancel();
        }
      }
      assert.ok((await one.metric("spate_bytes_sent_total")) > 0);
      assert.equal(await one.metric("spate_compressed_bytes_total"), 0);
    } finally {
      for (const client of clients) client.close();
      await one.stop();
    }
  });
});

describe("who is cut again and again", { timeout: 300_000 }, () => {
  const own_names = ["connected", "gap", "closing"];

  /// Listens again whenever it was cut, with what it saw last.
  class Follower {
    constructor(Client, url, path, headers = {}) {
      Object.assign(this, { Client, url, path, headers });
      this.listeners = []; // one for each connection
      this.running = this.run_();
      this.running.catch(() => {});
    }

    get events() {
      return this.listeners.flatMap(({ events }) => events);
    }

    get sent() {
      return this.events.filter(({ name }) => !own_names.includes(name));
    }

    async run_() {
      while (!this.stopped) {
        const client = await this.Client.open(this.url).catch(() => undefined);
        if (!client) continue;
        const cursor = this.events.findLast(({ id }) => id)?.id;
        const headers = cursor === undefined ? this.headers : { ...this.headers, "last-event-id": cursor };
        // None, if it was cut before its head was there.
        const listener = await client.listen(this.path, headers).catch(() => undefined);
        if (listener) {
          this.listeners.push(listener);
          if (this.stopped) listener.cancel();
          await listener.over;
        }
        client.close();
        if (!listener) continue;
        assert.equal(listener.headers["content-encoding"], this.headers["accept-encoding"]);
        // What was cut breaks off anywhere; what has come of it can be read all the same.
        if (listener.broken && (listener.ended || listener.broken.code !== "Z_BUF_ERROR")) throw listener.broken;
      }
    }

    /// Leaves, and comes back.
    leave() {
      this.listeners.at(-1)?.cancel();
    }

    async stop() {
      this.stopped = true;
      this.leave();
      await within("a follower to stop", this.running);
    }
  }

  for (const seed of [1, 2]) {
    test(`gets over compressed streams what its twin gets over one that is not, in order (seed ${seed})`, async () => {
      const number = numbers(seed);
      const hub = await start_hub("--max-queued-bytes", "16777216", "--heartbeat-ms", "20", "--threads", String(seed));
      const ways_to_listen = [
        [Http1Client, "/sse/subscribe/alice?topic=room"],
        [Http1Client, "/sse/subscribe/alice?event=note&topic=room&topic=hall"],
        [Http1Client, "/sse/subscribe/albert"],
        [Http2Client, "/sse/subscribe/albert?topic=hall"],
      ];
      const proxies = [];
      const followers = [];
      const couples = [];
      try {
        for (const [Client, path] of ways_to_listen) {
          const proxy = await start_proxy(hub.port);
          proxies.push(proxy);
          const twin = new Follower(Http1Client, hub.url, path);
          const cut = new Follower(Client, proxy.url, path, gzip);
          followers.push(twin, cut);
          couples.push({ path, twin, cut, proxy });
        }
        await until("all to listen", () => followers.every(({ events }) => events.length > 0));
        // Each connection from now on ends somewhere: within the head, a chunk, an event, or the code of a letter.
        for (const proxy of proxies) {
          proxy.let_through = () => 100 + number(number(4) === 0 ? 40_000 : 3_000);
          proxy.cut();
        }
        const ways = ["broadcast", "broadcast", "broadcast", "send/alice", "send/albert", "both", "group/al", "topic/room", "topic/hall", "send/bob"];
        for (let which = 0; which < 300; ++which) {
          const way = ways[number(ways.length)];
          const target = way === "both" ? "send?user=alice&user=albert" : `${way}?`;
          const name = number(3) === 0 ? "&event=note" : "";
          const size = number(12) === 0 ? number(12_000) : number(400);
          await hub.send(`/sse/${target}${name}`, varied_text(number, which, size));
          const some = couples[number(couples.length)];
          if (number(10) === 0) some.cut.leave();
          if (number(10) === 0) some.proxy.cut();
          // Sometimes what comes lies in wait for whoever comes back, sometimes it comes while they listen.
          if (number(20) === 0) await until("it to listen", () => some.proxy.open === 1);
        }
        for (const proxy of proxies) {
          proxy.let_through = () => Infinity;
          proxy.cut();
        }
        await hub.send("/sse/broadcast?event=note", "the last");
        for (const { path, twin, cut } of couples) {
          for (const each of [twin, cut]) await until(`the last event of ${path}`, () => each.sent.at(-1)?.data === "the last");
          assert_same_events(cut.sent, twin.sent);
          assert.equal(twin.listeners.length, 1);
          assert.ok(cut.listeners.length > 10, `cut ${cut.listeners.length} times only`);
        }
        assert.ok(couples[0].twin.sent.length > 150);
        assert.equal(await hub.metric("spate_gaps_total"), 0);
      } finally {
        await Promise.all(followers.map((each) => each.stop()));
        for (const proxy of proxies) proxy.stop();
        await hub.stop();
      }
    });
  }
});
