// HTTP/2 by those who mean harm: each attack ends as it should, the hub takes no more memory than it may, and whoever
// behaves is served meanwhile. The attacks are those that have a name, and what their inventors could do next. What each
// costs is told (AttackedHub).
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { CODES, FLAGS, Http2Connection, PREFACE, frame, request_fields, settings_payload, u32 } from "../conduct/http2_connection.mjs";
import { header_block, literal } from "../conduct/http2_hpack.mjs";
import { AttackedHub } from "./support/attacked_hub.mjs";
import { start_hub } from "./support/hub.mjs";
import { until } from "./support/until.mjs";

const ATTACKERS = 10;
const CALM = "ENHANCE_YOUR_CALM";
const { ACK, END_HEADERS, END_STREAM, PADDED } = FLAGS;
const WHOLE = END_HEADERS | END_STREAM;

const fields = (method, path, more) => header_block(request_fields(method, path, more));
const get = (id, path = "/healthz", more = []) => frame("HEADERS", WHOLE, id, fields("GET", path, more));
const post = (id, more = []) => frame("HEADERS", END_HEADERS, id, fields("POST", "/sse/send/nobody", more));
const ping = frame("PING", 0, 0, Buffer.alloc(8));
const odd = (number) => 2 * number + 1;
/// `count` times what `of` makes of 0, 1, 2 and so on, in one piece.
const many = (count, of) => Buffer.concat(Array.from({ length: count }, (_, number) => of(number)));
const malformed = (id) => frame("HEADERS", WHOLE, id, fields("GET", "/healthz", [["X-Upper", "case"]]));

describe("HTTP/2 attacks", { timeout: 540_000 }, () => {
  let hub;
  let attacked;
  const start = async (...options) => {
    hub = await start_hub(...options);
    attacked = await AttackedHub.start(hub);
  };
  beforeEach(() => (hub = attacked = undefined));
  afterEach(() => (attacked ?? hub)?.stop());

  const open = (settings) => Http2Connection.open(hub.url, { settings });
  const under_attack = (t, attack, options) => attacked.bear(t, attack, { attackers: ATTACKERS, ...options });
  /// The same by one alone.
  const under_one = (t, attack) => under_attack(t, attack, { attackers: 1 });
  /// How a connection has ended, or "lives".
  const fate = ({ goaway, ended }) => (goaway ? `GOAWAY ${goaway.code}` : (ended ?? "lives"));
  const outcome = ({ status, reset }) => (status ? `answered ${status}` : `RST_STREAM ${reset}`);

  /// Sends `pieces` until the other side ends the connection; then how it did: the code of GOAWAY. What came last may be
  /// lost when it breaks the connection while more is sent to it: then "reset".
  const flood = async (connection, pieces) => {
    for (const piece of pieces) {
      if (connection.ended || connection.doomed) break;
      await connection.send_all(piece);
    }
    return (await connection.end()) ?? connection.ended;
  };
  /// The same piece, again and again, up to `bytes`.
  function* endless(piece, bytes = 64 * 1024 * 1024) {
    for (let sent = 0; sent < bytes; sent += piece.length) yield piece;
  }

  // Floods: [what, what is sent first, the frames that follow, another code that may end it]. A burst in one piece that the kernel takes at once, after
  // which the client only reads, so that the code is not lost; and the same without end by many clients at once.
  const BURST_BYTES = 64 * 1024;
  const nothing = () => Buffer.alloc(0);
  const empty_field = literal("x", "");
  const floods = [
    ["rapid reset (CVE-2023-44487)", nothing, (n) => Buffer.concat([get(odd(n)), frame("RST_STREAM", 0, odd(n), u32(8))])],
    [
      "rapid reset of event streams",
      nothing,
      (n) => Buffer.concat([get(odd(n), "/sse/subscribe/reset"), frame("RST_STREAM", 0, odd(n), u32(8))]),
    ],
    ["resets provoked by windows of no increment (CVE-2025-8671)", nothing, (n) => Buffer.concat([post(odd(n)), frame("WINDOW_UPDATE", 0, odd(n), u32(0))]), "PROTOCOL_ERROR"],
    [
      "resets provoked by windows that overflow",
      nothing,
      (n) => Buffer.concat([post(odd(n)), frame("WINDOW_UPDATE", 0, odd(n), u32(2 ** 31 - 1))]),
    ],
    ["resets provoked by malformed requests", nothing, (n) => malformed(odd(n))],
    [
      "resets provoked by lengths that are wrong",
      nothing,
      (n) => Buffer.concat([post(odd(n), [["content-length", "1"]]), frame("DATA", END_STREAM, odd(n), Buffer.from("test"))]),
    ],
    ["HEADERS without fields (CVE-2019-9518)", nothing, (n) => frame("HEADERS", WHOLE, odd(n))],
    ["SETTINGS (CVE-2019-9515)", nothing, () => frame("SETTINGS", 0, 0)],
    ["SETTINGS that change windows", () => post(1), (n) => frame("SETTINGS", 0, 0, settings_payload({ INITIAL_WINDOW_SIZE: n % 2 }))],
    ["PING (CVE-2019-9512)", nothing, () => ping],
    ["DATA that are empty (CVE-2019-9518)", () => post(1), () => frame("DATA", 0, 1)],
    ["CONTINUATION that are empty (CVE-2024-27316)", () => frame("HEADERS", END_STREAM, 1, fields("GET", "/")), () => frame("CONTINUATION", 0, 1)],
    [
      "CONTINUATION of a field each",
      () => frame("HEADERS", END_STREAM, 1, fields("GET", "/")),
      () => frame("CONTINUATION", 0, 1, empty_field),
    ],
    [
      "CONTINUATION as large as they may be",
      () => frame("HEADERS", END_STREAM, 1, fields("GET", "/")),
      () => frame("CONTINUATION", 0, 1, literal("x", "y".repeat(16_000))),
    ],
    [
      "CONTINUATION of one string that does not end",
      () => frame("HEADERS", END_STREAM, 1, Buffer.concat([fields("GET", "/"), Buffer.from("0001787fffffff3f", "hex")])),
      () => frame("CONTINUATION", 0, 1, Buffer.alloc(16_000, "y")),
      "COMPRESSION_ERROR", // the string is longer than any that is allowed
    ],
  ];
  for (const [what, first, repeated, ...others] of floods) {
    const codes = [CALM, ...others];
    test(`a flood: ${what}`, async (t) => {
      await start();
      const burst = many(Math.ceil(BURST_BYTES / repeated(0).length), repeated);
      const in_a_burst = async () => {
        const connection = await open();
        connection.send(Buffer.concat([first(), burst]));
        assert.ok(codes.includes(await connection.end()), connection.goaway?.code);
        return fate(connection);
      };
      await under_attack(t, in_a_burst, { what: "a burst", attackers: 1 });
      const without_end = async () => {
        const connection = await open();
        connection.send(first());
        // Where each frame names a stream of its own, there is an end to them.
        const pieces = repeated(0).equals(repeated(1)) ? endless(burst) : [many(20_000, repeated)];
        const how = await flood(connection, pieces);
        assert.ok(codes.includes(how) || how === "reset", how);
        return how in CODES ? `GOAWAY ${how}` : how;
      };
      await under_attack(t, without_end, { what: "without end" });
    });
  }

  // [what, what is sent, over and over]: these change nothing and may be ignored, so long as nobody pays for them.
  const idle_floods = [
    ["PRIORITY (CVE-2019-9513)", (n) => frame("PRIORITY", 0, odd(n % 1_000), Buffer.concat([u32(odd((n + 1) % 1_000)), Buffer.from([n % 256])]))],
    ["PRIORITY_UPDATE", (n) => frame("PRIORITY_UPDATE", 0, 0, Buffer.concat([u32(odd(n % 1_000)), Buffer.from(`u=${n % 8}`)]))],
    ["WINDOW_UPDATE", () => frame("WINDOW_UPDATE", 0, 0, u32(1))],
    ["frames of unknown types", () => frame(0xee, 0xff, 1, Buffer.alloc(100))],
    ["PING that are answers", () => frame("PING", ACK, 0, Buffer.alloc(8))],
  ];
  for (const [what, repeated] of idle_floods) {
    test(`a flood that may be ignored: ${what}`, async (t) => {
      await start();
      const burst = many(5_000, repeated);
      await under_attack(t, async () => {
        const connection = await open();
        for (const piece of endless(burst, 4 * 1024 * 1024)) {
          if (connection.ended || connection.doomed) break;
          await connection.send_all(piece);
        }
        const stream = connection.request("GET", "/healthz");
        const status = await connection.status(stream).catch(() => undefined);
        if (status === undefined) assert.ok([CALM, undefined].includes(connection.goaway?.code), connection.goaway?.code);
        else assert.equal(status, 200);
        connection.destroy();
        return status === undefined ? fate(connection) : "ignored, the next request is answered";
      });
    });
  }

  // CVE-2019-9512, -9515, -9517: answers that are due, and nobody takes them.
  const unread = [
    ["PING", () => many(5_000, () => ping)],
    ["SETTINGS", () => many(5_000, () => frame("SETTINGS", 0, 0))],
    ["requests for a page", () => many(200, (n) => get(odd(n), "/"))],
    ["requests that are refused", () => many(5_000, (n) => malformed(odd(n)))],
  ];
  for (const [what, burst] of unread) {
    test(`a client that does not read: ${what}`, async (t) => {
      await start("--write-timeout-ms", "1000");
      await under_attack(t, async () => {
        const connection = await open({ INITIAL_WINDOW_SIZE: 2 ** 31 - 1 });
        connection.socket.pause();
        connection.send(Buffer.concat([frame("WINDOW_UPDATE", 0, 0, u32(2 ** 31 - 2 ** 17)), burst()]));
        connection.send(burst()); // the streams of the first come again, which is not allowed
        // What it is sent stays where it is, until the hub has given up or has said all.
        await until("the hub to settle", async () => (await hub.count()).streams <= 1);
        connection.socket.resume();
        while (await connection.next("the end of the connection")) continue;
        return fate(connection);
      });
    });
  }

  test("a few resets, pings and settings are what a browser does", async (t) => {
    await start();
    await under_one(t, async () => {
      const connection = await open();
      for (let round = 0; round < 30; ++round) {
        const stream = connection.request("GET", `/sse/subscribe/tab${round}`);
        assert.equal(await connection.status(stream), 200);
        connection.frame("RST_STREAM", 0, stream, u32(8));
        connection.ping("usual");
        connection.frame("SETTINGS", 0, 0, settings_payload({ INITIAL_WINDOW_SIZE: 65_535 }));
      }
      assert.equal(await connection.status(connection.request("GET", "/healthz")), 200);
      assert.equal(connection.goaway, undefined);
      connection.destroy();
      return "served on";
    });
  });

  test("more streams than allowed are refused one by one, and nobody else on the connection notices", async (t) => {
    await start("--max-streams-per-connection", "8");
    await under_one(t, async () => {
      const connection = await open();
      assert.equal(connection.settings.MAX_CONCURRENT_STREAMS, 8);
      const streams = Array.from({ length: 8 }, () => connection.request("GET", "/sse/subscribe/crowd"));
      for (const stream of streams) assert.equal(await connection.status(stream), 200);
      const refused = Array.from({ length: 90 }, () => connection.request("GET", "/sse/subscribe/crowd"));
      for (const stream of refused) {
        await connection.until("a refusal", () => connection.stream(stream).reset);
        assert.equal(connection.stream(stream).reset, "REFUSED_STREAM");
      }
      assert.equal((await hub.send("/sse/send/crowd", "still here")).streams, 8);
      for (const stream of streams) {
        await connection.until("an event", () => connection.stream(stream).data.includes("data: still here\n"));
      }
      // Whoever goes leaves room.
      const next = connection.next_stream;
      connection.send(Buffer.concat([frame("RST_STREAM", 0, streams[0], u32(8)), get(next, "/sse/subscribe/crowd")]));
      assert.equal(await connection.status(next), 200);
      connection.destroy();
      return "90 times RST_STREAM REFUSED_STREAM, the connection goes on";
    });
  });

  test("a stream that is not read ends alone", async (t) => {
    await start("--write-timeout-ms", "1000", "--heartbeat-ms", "100");
    await under_one(t, async () => {
      const connection = await open({ INITIAL_WINDOW_SIZE: 0 });
      const stalled = connection.request("GET", "/sse/subscribe/stalled");
      const others = Array.from({ length: 5 }, () => connection.request("GET", "/sse/subscribe/reader"));
      for (const stream of others) connection.frame("WINDOW_UPDATE", 0, stream, u32(2 ** 20));
      await hub.send("/sse/send/stalled", "x");
      await connection.until("the stalled stream to be given up", () => connection.stream(stalled).reset);
      await hub.send("/sse/send/reader", "still here");
      for (const stream of others) {
        await connection.until("an event", () => connection.stream(stream).data.includes("data: still here\n"));
        assert.equal(connection.stream(stream).reset, undefined);
      }
      assert.equal(connection.stream(stalled).data, "");
      assert.equal(connection.goaway, undefined);
      connection.destroy();
      return `RST_STREAM ${connection.stream(stalled).reset}, its siblings go on`;
    });
  });

  test("a connection most of whose streams are not read is ended (CVE-2019-9517)", async (t) => {
    await start("--write-timeout-ms", "1000");
    await under_attack(t, async (number) => {
      const connection = await open({ INITIAL_WINDOW_SIZE: 0 });
      const streams = Array.from({ length: 20 }, () => connection.request("GET", `/sse/subscribe/stalled${number}`));
      for (const stream of streams) assert.equal(await connection.status(stream), 200);
      await hub.send(`/sse/send/stalled${number}`, "x".repeat(10_000));
      assert.equal(await connection.end(), CALM);
      return fate(connection);
    });
  });

  test("the same for answers that are no streams", async (t) => {
    await start("--write-timeout-ms", "1000");
    const page = (await (await fetch(hub.url)).text()).length;
    const answers = 100;
    await under_attack(
      t,
      async () => {
        const connection = await open({ INITIAL_WINDOW_SIZE: 0 });
        connection.send(many(answers, (n) => get(odd(n), "/")));
        assert.equal(await connection.end(), CALM);
        return fate(connection);
      },
      { due_bytes: ATTACKERS * answers * page },
    );
  });

  // CVE-2019-9511: windows of one byte, opened byte by byte.
  test("windows of one byte cost nobody else anything", async (t) => {
    await start();
    await under_attack(t, async () => {
      const connection = await open({ INITIAL_WINDOW_SIZE: 1 });
      const streams = Array.from({ length: 10 }, () => connection.request("GET", "/"));
      for (const stream of streams) await connection.until("a byte", () => connection.stream(stream).data.length === 1);
      for (let round = 0; round < 200 && !connection.ended && !connection.doomed; ++round) {
        connection.send(many(streams.length, (n) => frame("WINDOW_UPDATE", 0, streams[n], u32(1))));
        const due = round + 2;
        const all_came = () => streams.every((stream) => connection.stream(stream).data.length >= due);
        await connection.until("a byte of each", all_came).catch((error) => {
          assert.equal(connection.goaway?.code, CALM, error.message);
        });
      }
      for (const stream of streams) assert.ok(connection.goaway || connection.stream(stream).frames.every((size) => size === 1));
      connection.destroy();
      return fate(connection);
    });
  });

  test("a window that overflows ends its stream alone", async (t) => {
    await start();
    await under_one(t, async () => {
      const connection = await open();
      const [first, second] = [connection.request("GET", "/sse/subscribe/window"), connection.request("GET", "/sse/subscribe/window")];
      for (const stream of [first, second]) assert.equal(await connection.status(stream), 200);
      connection.frame("WINDOW_UPDATE", 0, first, u32(2 ** 31 - 1));
      await connection.until("a reset", () => connection.stream(first).reset);
      assert.equal(connection.stream(first).reset, "FLOW_CONTROL_ERROR");
      await hub.send("/sse/send/window", "still here");
      await connection.until("an event", () => connection.stream(second).data.includes("data: still here\n"));
      connection.destroy();
      return "RST_STREAM FLOW_CONTROL_ERROR, its sibling goes on";
    });
  });

  // Header blocks that end and are too much: [what, the block]. They are answered with 431, or end the connection.
  const entry = Buffer.concat([fields("GET", "/healthz"), literal("x-bomb", "y".repeat(3_900), { indexed: true })]);
  const blocks = [
    ["fields of 40,000 bytes", () => fields("GET", "/", [["x-large", "y".repeat(40_000)]])],
    ["200 fields", () => fields("GET", "/", Array.from({ length: 200 }, (_, n) => [`x-${n}`, ""]))],
    ["1,000 crumbs of a cookie", () => fields("GET", "/", Array.from({ length: 1000 }, () => ["cookie", "a=b"]))],
    ["10,000 fields of 4 bytes", () => Buffer.concat([fields("GET", "/"), ...Array(10_000).fill(empty_field)])],
    // Each byte stands for nearly 4,000.
    ["an HPACK bomb", () => Buffer.concat([fields("GET", "/"), Buffer.alloc(16_000, 0xbe)])],
    ["an HPACK bomb in Huffman code", () => fields_with_huffman()],
  ];
  const fields_with_huffman = () => Buffer.concat([fields("GET", "/"), literal("x-large", "0".repeat(60_000), { huffman: true })]);
  /// A header block as frames, none larger than all take.
  const framed = (id, block) => {
    const parts = [];
    for (let at = 0; at < block.length; at += 16_384) parts.push(block.subarray(at, at + 16_384));
    return Buffer.concat(
      parts.map((part, index) => {
        const end = index === parts.length - 1 ? END_HEADERS : 0;
        return index === 0 ? frame("HEADERS", END_STREAM | end, id, part) : frame("CONTINUATION", end, id, part);
      }),
    );
  };
  for (const [what, block] of blocks) {
    test(`a header block above the limits: ${what}`, async (t) => {
      await start();
      await under_attack(t, async () => {
        const connection = await open();
        // The one entry that the table has for bombs.
        connection.send(framed(1, entry));
        assert.equal(await connection.status(1), 200);
        connection.send(framed(3, block()));
        const status = await connection.status(3).catch(() => undefined);
        if (status !== undefined) assert.equal(status, 431);
        else assert.equal(await connection.end(), CALM);
        connection.destroy();
        return status === undefined ? fate(connection) : outcome({ status });
      });
    });
  }

  test("header blocks within the limits, in as many frames as they like, are served", async (t) => {
    await start();
    await under_one(t, async () => {
      const connection = await open();
      connection.send(framed(1, fields("GET", "/healthz", Array.from({ length: 90 }, (_, n) => [`x-${n}`, "y".repeat(100)]))));
      assert.equal(await connection.status(1), 200);
      const block = fields("GET", "/healthz");
      connection.send(frame("HEADERS", END_STREAM, 3, block.subarray(0, 10)));
      connection.send(many(3, (n) => frame("CONTINUATION", 0, 3, block.subarray(10 + n, 11 + n))));
      connection.send(frame("CONTINUATION", END_HEADERS, 3, block.subarray(13)));
      assert.equal(await connection.status(3), 200);
      connection.destroy();
      return "served on";
    });
  });

  test("a table of fields that changes its size and all its entries all the time", async (t) => {
    await start();
    await under_attack(t, async () => {
      const connection = await open();
      const sizes = [Buffer.from("20", "hex"), Buffer.from("3fe11f", "hex")]; // 0, 4,096
      const churn = Array.from({ length: 60 }, (_, n) => literal(`x-${n}`, "y".repeat(30), { indexed: true }));
      const block = Buffer.concat([...sizes, fields("GET", "/healthz"), ...churn]);
      for (let round = 0; round < 50; ++round) {
        const first = connection.next_stream;
        connection.send(many(20, (n) => frame("HEADERS", WHOLE, first + 2 * n, block)));
        connection.next_stream += 40;
        for (let id = first; id < connection.next_stream; id += 2) assert.equal(await connection.status(id), 200);
      }
      connection.destroy();
      return "served on";
    });
  });

  test("connections that never ask are closed in their time", async (t) => {
    await start("--request-timeout-ms", "1000");
    const greeted = Buffer.concat([Buffer.from(PREFACE), frame("SETTINGS", 0, 0)]);
    const greetings = {
      "a part of the preface": "PRI * HT",
      "the preface": PREFACE,
      "SETTINGS": greeted,
      "a header block without end": Buffer.concat([greeted, frame("HEADERS", END_STREAM, 1, fields("GET", "/"))]),
      "the head of a frame": Buffer.concat([greeted, frame("HEADERS", WHOLE, 1, Buffer.alloc(0), 16_384)]),
    };
    for (const [what, greeting] of Object.entries(greetings)) {
      const silent = async () => {
        const connection = await Http2Connection.connect(hub.url);
        connection.send(greeting);
        await connection.end().catch((error) => assert.fail(`${what}: ${error.message}`));
        return fate(connection);
      };
      await under_attack(t, silent, { what, attackers: 40 });
    }
  });

  test("a body that does not come ends its request, and nothing else", async (t) => {
    await start("--request-timeout-ms", "1000");
    await under_one(t, async () => {
      const connection = await open();
      const stream = connection.request("GET", "/sse/subscribe/patient");
      const slow = connection.request("POST", "/sse/send/patient", { open: true, fields: [["content-length", "100"]] });
      connection.frame("DATA", 0, slow, Buffer.from("slow"));
      await connection.until("an answer or a reset", () => connection.stream(slow).status || connection.stream(slow).reset);
      if (connection.stream(slow).status) assert.equal(connection.stream(slow).status, 408);
      await hub.send("/sse/send/patient", "still here");
      await connection.until("an event", () => connection.stream(stream).data.includes("data: still here\n"));
      assert.doesNotMatch(connection.stream(stream).data, /slow/);
      connection.destroy();
      return `${outcome(connection.stream(slow))}, the connection goes on`;
    });
  });

  // Where a connection may be when its client goes: what is sent, and what is waited for.
  const states = {
    "in the preface": [PREFACE.slice(0, 10)],
    "before SETTINGS": [PREFACE],
    "in a frame's head": [frame("HEADERS", WHOLE, 1, fields("GET", "/")).subarray(0, 5), "settings"],
    "in a frame": [get(1).subarray(0, 20), "settings"],
    "in a header block": [frame("HEADERS", END_STREAM, 1, fields("GET", "/")), "settings"],
    "in a body": [Buffer.concat([post(1), frame("DATA", 0, 1, Buffer.from("test"))]), "settings"],
    "with a page unread": [get(1, "/"), 1],
    "in a poll": [get(1, "/sse/subscribe/left?transport=poll"), "settings"],
    "in 50 streams": [many(50, (n) => get(odd(n), "/sse/subscribe/left")), 99],
    "after an error": [frame("PING", 0, 1, Buffer.alloc(8)), "settings"],
    "after GOAWAY": [Buffer.concat([get(1, "/sse/subscribe/left"), frame("GOAWAY", 0, 0, Buffer.alloc(8))]), 1],
  };
  const ways = {
    closed: (connection) => connection.destroy(),
    reset: (connection) => connection.socket.resetAndDestroy(),
    "half closed": async (connection) => {
      connection.socket.end();
      await connection.end();
    },
  };
  for (const [way, leave] of Object.entries(ways)) {
    test(`${way}, in each of ${Object.keys(states).length} states`, async (t) => {
      await start("--poll-grace-ms", "0");
      await under_one(t, async () => {
        for (const [state, [bytes, wait]] of Object.entries(states)) {
          const leaving = async () => {
            const connection = wait ? await open() : await Http2Connection.connect(hub.url);
            connection.send(bytes);
            if (typeof wait === "number") assert.equal(await connection.status(wait), 200);
            await leave(connection);
          };
          const failed = (error) => assert.fail(`${state}: ${error.message}`);
          await Promise.all(Array.from({ length: 10 }, leaving)).catch(failed);
          await attacked.all_given_back().catch(failed);
        }
        return "all is given back, after each state";
      });
    });
  }

  // Requests that another parser would read as something else, or as two. None may have sent an event.
  const smuggled = (more, body = "evil", changes = {}) => {
    const all = request_fields("POST", "/sse/send/victim", more).map(([name, value]) => [name, name in changes ? changes[name] : value]);
    return [all.filter(([, value]) => value !== null), body];
  };
  const second = "POST /sse/send/victim HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nevil";
  const smuggling = {
    "a name with CR and LF": smuggled([["x: y\r\nx", "z"]]),
    "a name with a colon": smuggled([["transfer-encoding: chunked", ""]]),
    "a name with a space": smuggled([["content-length ", "0"]]),
    "a name with a NUL": smuggled([["x\0", "z"]]),
    "a name in capital letters": smuggled([["Content-Length", "0"]]),
    "a name that is empty": smuggled([["", "z"]]),
    "a value with CR and LF": smuggled([["x", `y\r\n\r\n${second}`]]),
    "a value with LF": smuggled([["x", "y\ntransfer-encoding: chunked"]]),
    "a value with CR": smuggled([["x", "y\rz"]]),
    "a value with NUL": smuggled([["x", "y\0z"]]),
    "transfer-encoding": smuggled([["transfer-encoding", "chunked"]], `0\r\n\r\n${second}`),
    "transfer-encoding in a list": smuggled([["transfer-encoding", "identity, chunked"]], `0\r\n\r\n${second}`),
    connection: smuggled([["connection", "content-length"]]),
    "keep-alive": smuggled([["keep-alive", "1"]]),
    "proxy-connection": smuggled([["proxy-connection", "close"]]),
    upgrade: smuggled([["upgrade", "h2c"]]),
    te: smuggled([["te", "chunked"]]),
    "a length that is too short": smuggled([["content-length", "0"]], second),
    "a length that is too long": smuggled([["content-length", "400"]]),
    "two lengths": smuggled([["content-length", "4"], ["content-length", "0"]]),
    "a list of lengths": smuggled([["content-length", "4, 4"]]),
    "a length with a sign": smuggled([["content-length", "+4"]]),
    "a method with a request": smuggled([], "evil", { ":method": `GET / HTTP/1.1\r\nHost: localhost\r\n\r\n${second}` }),
    "a method with a space": smuggled([], "evil", { ":method": "POST /sse/send/victim" }),
    "a path with a request": smuggled([], "evil", { ":path": `/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n${second}` }),
    "a path with a version": smuggled([], "evil", { ":path": "/sse/send/victim HTTP/1.1" }),
    "a path with a fragment": smuggled([], "evil", { ":path": "/sse/send/victim#x" }),
    "a path without a slash": smuggled([], "evil", { ":path": "sse/send/victim" }),
    "a path with a scheme": smuggled([], "evil", { ":path": "http://localhost/sse/send/victim" }),
    "a path that is empty": smuggled([], "evil", { ":path": "" }),
    "a path with a tab": smuggled([], "evil", { ":path": "/sse/send/victim\t" }),
    "a path with a byte beyond ASCII": smuggled([], "evil", { ":path": "/sse/send/victim\xff" }),
    "a path that is missing": smuggled([], "evil", { ":path": null }),
    "a scheme that is missing": smuggled([], "evil", { ":scheme": null }),
    "a scheme with a request": smuggled([], "evil", { ":scheme": `http://localhost/ HTTP/1.1\r\n\r\n${second}` }),
    "an authority with a user": smuggled([], "evil", { ":authority": "user@localhost" }),
    "an authority with a path": smuggled([], "evil", { ":authority": "localhost/sse" }),
    "an authority with CR and LF": smuggled([], "evil", { ":authority": "localhost\r\nx: y" }),
    "an authority with a space": smuggled([], "evil", { ":authority": "localhost x" }),
    "an authority of others": smuggled([], "evil", { ":authority": "evil.example" }),
    "an authority with a wrong port": smuggled([], "evil", { ":authority": "localhost:port" }),
    "host other than authority": smuggled([["host", "evil.example"]]),
    "host of another port": smuggled([["host", "localhost:81"]]),
    "host twice": smuggled([["host", "localhost"], ["host", "localhost"]]),
    "host of others alone": smuggled([["host", "evil.example"]], "evil", { ":authority": null }),
    "a second method": smuggled([[":method", "GET"]]),
    "a second path": smuggled([[":path", "/sse/send/other"]]),
    "a second authority": smuggled([[":authority", "localhost"]]),
    "a pseudo-field behind others": [[["x", "y"], ...request_fields("POST", "/sse/send/victim")], "evil"],
    "an unknown pseudo-field": smuggled([[":protocol", "websocket"]]),
    "the pseudo-field of responses": smuggled([[":status", "200"]]),
    "an origin of others": smuggled([["origin", "http://evil.example"]]),
  };
  test(`${Object.keys(smuggling).length} ways to smuggle a request, and none is one`, async (t) => {
    await start();
    await under_one(t, async () => {
      const victim = await open();
      const stream = victim.request("GET", "/sse/subscribe/victim");
      assert.equal(await victim.status(stream), 200);
      const failures = [];
      for (const [what, [list, body]] of Object.entries(smuggling)) {
        const connection = await open();
        connection.frame("HEADERS", END_HEADERS, 1, header_block(list));
        connection.frame("DATA", END_STREAM, 1, Buffer.from(body));
        connection.next_stream = 3;
        const one = connection.stream(1);
        await connection.until("an answer or a reset", () => one.status || one.reset).catch((error) => failures.push(`${what}: ${error.message}`));
        if (one.status ? ![400, 403, 404].includes(one.status) : one.reset !== "PROTOCOL_ERROR") {
          failures.push(`${what}: ${one.status ?? one.reset}`);
        }
        // The connection is that of others as well.
        const next = connection.request("GET", "/healthz");
        const status = await connection.status(next).catch((error) => error.message);
        if (status !== 200) failures.push(`${what}: ${status} for the request behind it`);
        connection.destroy();
      }
      await hub.send("/sse/send/victim", "all sent");
      await victim.until("the last event", () => victim.stream(stream).data.includes("data: all sent\n"));
      assert.deepEqual(failures, []);
      assert.doesNotMatch(victim.stream(stream).data, /evil/);
      victim.destroy();
      return "each refused alone";
    });
  });

  test("what is no event cannot become one: padding and trailers carry nothing", async (t) => {
    await start();
    await under_one(t, async () => {
      const victim = await open();
      const stream = victim.request("GET", "/sse/subscribe/victim");
      assert.equal(await victim.status(stream), 200);
      const sender = victim.request("POST", "/sse/send/victim", { open: true });
      const padded = Buffer.concat([Buffer.from([4]), Buffer.from("good"), Buffer.alloc(4)]);
      victim.frame("DATA", PADDED, sender, padded);
      victim.frame("HEADERS", WHOLE, sender, header_block([["content-length", "400"], ["x-evil", "evil"]]));
      const answer = await victim.answer(sender);
      // Trailers are dropped, or refused.
      if (answer.status === 202) await victim.until("the event", () => victim.stream(stream).data.includes("data: good\n"));
      else assert.ok(answer.status === 400 || answer.reset === "PROTOCOL_ERROR", `${answer.status} ${answer.reset}`);
      assert.doesNotMatch(victim.stream(stream).data, /evil|\0/);
      victim.destroy();
      return outcome(answer);
    });
  });
});
