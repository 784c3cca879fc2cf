// TLS by those who mean harm: handshakes that stall, that are too long, cut into crumbs, or asked for again and again.
// Each ends as it should, the hub takes no more memory than it may, and whoever behaves is served meanwhile, a handshake
// for each of their requests included. What each costs is told (AttackedHub).
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { AttackedHub } from "./support/attacked_hub.mjs";
import { Authority } from "./support/certificates.mjs";
import { start_tls_hub } from "./support/hub.mjs";
import { ALERT, DATA, HANDSHAKE, RecordConnection, client_hello, message, padded_hello, record, records } from "./support/tls_records.mjs";
import { until } from "./support/until.mjs";

const FAILURES = "spate_tls_handshake_failures_total";
const TIMEOUT_MS = 1_500;
const CLIENT_HELLO = 1;
const GET = Buffer.from("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
const authority = new Authority();
const pair = authority.issue("hub");

describe("attacks on TLS", { timeout: 300_000 }, () => {
  let hub;
  let attacked;
  const start = async (...options) => {
    hub = await start_tls_hub(authority, pair, ...options);
    attacked = await AttackedHub.start(hub);
  };
  beforeEach(() => (hub = attacked = undefined));
  afterEach(() => (attacked ?? hub)?.stop());

  /// Sends `pieces` until the other side answers or ends the connection; then what came of it.
  const offer = async (pieces, each_ms) => {
    const connection = await RecordConnection.connect(hub.port);
    for (const piece of pieces) {
      if (connection.ended || connection.taken.size > 0) break;
      await connection.write(piece);
      if (each_ms) await pause(each_ms);
    }
    while (!connection.ended && connection.count(HANDSHAKE) === 0) await connection.more();
    connection.destroy();
    return fate(connection);
  };
  const fate = ({ alerts, ended, taken }) => {
    if (taken.has(HANDSHAKE)) return "the handshake goes on";
    return alerts.length > 0 ? `alert ${alerts[0]}, ${ended}` : ended;
  };
  /// That every attack ended in one of these ways.
  const ending = (attack, ...ways) => async (number) => {
    const how = await attack(number);
    assert.ok(ways.includes(how), how);
    return how;
  };
  const CLOSED = ["closed", "reset"];
  const counted = (failures) => until("failures to be counted", async () => (await hub.metric(FAILURES)) === failures);

  test("a handshake that stalls is ended in its time, and counted", async (t) => {
    await start("--request-timeout-ms", String(TIMEOUT_MS));
    const hello = record(HANDSHAKE, await client_hello());
    // Parts of a hello of which the rest never comes; the last comes by a byte now and then, which makes it no longer.
    const stalls = [Buffer.alloc(0), hello.subarray(0, 1), hello.subarray(0, 5), hello.subarray(0, -1), hello];
    const stall = async (number) => {
      const connection = await RecordConnection.connect(hub.port);
      const begun = performance.now();
      const bytes = stalls[number % (stalls.length + 1)];
      let at = 0;
      const drip = setInterval(() => at < hello.length - 1 && connection.write(hello.subarray(at, ++at)), 50);
      if (bytes) clearInterval(drip);
      if (bytes) await connection.write(bytes);
      await connection.end();
      clearInterval(drip);
      const took = performance.now() - begun;
      assert.ok(took > TIMEOUT_MS * 0.9 && took < TIMEOUT_MS * 5, `ended after ${took} ms`);
      return "closed when its time was over";
    };
    const attackers = 10 * (stalls.length + 1);
    const { slowest_ms } = await attacked.bear(t, stall, { attackers });
    assert.ok(slowest_ms < TIMEOUT_MS, "another client had to wait");
    await counted(attackers);
  });

  test("what is no handshake is closed, and counted", async (t) => {
    await start();
    const garbage = ["\xff".repeat(64), "\x16\x03\x01\xff\xffgarbage", "SSH-2.0-x\r\n", "\0".repeat(20_000)];
    const send = async (number) => {
      const connection = await RecordConnection.connect(hub.port);
      connection.socket.end(garbage[number % garbage.length], "latin1");
      await connection.end();
      return connection.ended;
    };
    await attacked.bear(t, ending(send, ...CLOSED), { attackers: 40 });
    await counted(40);
  });

  // [what, the hello in records, how it may end]. What is cut off while more is sent may be a reset.
  const SERVED = "the handshake goes on";
  const hellos = [
    ["of 60,000 bytes, which is allowed", async () => records(HANDSHAKE, await padded_hello(60_000)), [SERVED]],
    ["of 100,000 bytes", () => records(HANDSHAKE, message(CLIENT_HELLO, Buffer.alloc(100_000))), CLOSED],
    // OpenSSL takes 131,396 bytes at most.
    ["of 200,000 bytes, as its first record says", () => [record(HANDSHAKE, message(CLIENT_HELLO, Buffer.alloc(1_000), 200_000))], ["alert illegal_parameter, closed"]],
    ["of 200,000 bytes, all of which are sent", () => records(HANDSHAKE, message(CLIENT_HELLO, Buffer.alloc(200_000))), [...CLOSED, "alert illegal_parameter, closed", "alert illegal_parameter, reset"]],
    ["of 16 MB without end", () => endless(Buffer.concat(records(HANDSHAKE, message(CLIENT_HELLO, Buffer.alloc(16_000), 0xffffff)))), [...CLOSED, "alert illegal_parameter, closed", "alert illegal_parameter, reset"]],
    ["in records of one byte, which is allowed", async () => [Buffer.concat(records(HANDSHAKE, await client_hello(), 1))], [SERVED]],
    ["in 5,000 records of one byte, each written alone", async () => records(HANDSHAKE, await padded_hello(5_000), 1), [SERVED]],
    ["in 16,000 records of one byte", async () => records(HANDSHAKE, await padded_hello(16_000), 1), CLOSED],
    ["in writes of one byte, which is allowed", async () => crumbs(record(HANDSHAKE, await padded_hello(2_000))), [SERVED]],
    ["in records without a byte", () => endless(record(HANDSHAKE, Buffer.alloc(0))), [...CLOSED, "alert unexpected_message, closed"]],
    ["that stops for records without a byte", async () => interrupted(await client_hello(), record(HANDSHAKE, Buffer.alloc(0))), CLOSED],
  ];
  const crumbs = (bytes) => Array.from(bytes, (byte) => Buffer.from([byte]));
  function* endless(piece, bytes = 16 * 1024 * 1024) {
    for (let sent = 0; sent < bytes; sent += piece.length) yield piece;
  }
  function* interrupted(hello, between) {
    yield record(HANDSHAKE, hello.subarray(0, 50));
    yield* endless(between);
  }
  for (const [what, pieces, ways] of hellos) {
    test(`a hello ${what}`, async (t) => {
      await start();
      await attacked.bear(t, ending(async () => offer(await pieces()), ...ways), { attackers: 20 });
      await counted(20); // nobody has gone on
    });
  }

  test("a hello that never ends, by a record of one byte now and then", async (t) => {
    await start("--request-timeout-ms", String(TIMEOUT_MS));
    const hello = records(HANDSHAKE, await padded_hello(5_000), 1);
    await attacked.bear(t, ending(() => offer(hello, 20), ...CLOSED), { attackers: 20 });
    await counted(20);
  });

  // ---- renegotiations of TLS 1.2, which are refused ----

  const HELLOS_AT_MOST = 8;
  /// Asks to shake hands again, until the connection ends; `ask` makes what is sent each time.
  const renegotiate = async (ask, { reads = true } = {}) => {
    const connection = await RecordConnection.open(hub.port);
    if (!reads) connection.socket.pause();
    const begun = performance.now();
    for (let asked = 0; !connection.ended; ++asked) {
      await connection.write(ask(connection));
      if (asked % 20 === 0) await pause(0); // to hear of an end
      assert.ok(performance.now() - begun < 10 * TIMEOUT_MS, `still asking after ${asked} times`);
    }
    connection.socket.resume();
    await connection.end();
    connection.destroy();
    const refusals = connection.alerts.filter((alert) => alert === "no_renegotiation").length;
    assert.equal(refusals, connection.count(ALERT));
    assert.ok(refusals <= HELLOS_AT_MOST, `refused ${refusals} times`);
    return connection.ended;
  };
  const again = (connection) => connection.sealed(HANDSHAKE, connection.hello);
  const again_and_ask = (connection) => Buffer.concat([again(connection), connection.sealed(DATA, GET)]);
  const least = Buffer.from("01000000", "hex"); // a hello of no length
  const many = (connection) => connection.sealed(HANDSHAKE, Buffer.alloc(16_000, least));
  const renegotiations = [
    ["a flood of renegotiations", again],
    ["a flood of renegotiations, with a request between any two", again_and_ask],
    ["a flood of renegotiations, 4,000 in a record", many],
  ];
  for (const [what, ask] of renegotiations) {
    test(what, async (t) => {
      await start();
      const again_and_again = async () => {
        let how;
        for (let connection = 0; connection < 5; ++connection) how = await renegotiate(ask);
        return how;
      };
      await attacked.bear(t, ending(again_and_again, ...CLOSED), { attackers: 20 });
      assert.equal(await hub.metric(FAILURES), 0);
    });
  }

  test("one renegotiation is refused, and the connection serves on", async (t) => {
    await start();
    const once = async () => {
      const connection = await RecordConnection.open(hub.port);
      for (let asked = 1; asked <= HELLOS_AT_MOST; ++asked) {
        await connection.write(again_and_ask(connection));
        await connection.until("an answer", () => connection.data.split("\r\n\r\nok").length > asked);
        assert.equal(connection.alerts.length, asked);
        assert.equal(connection.alerts.at(-1), "no_renegotiation");
      }
      connection.destroy();
      return `no_renegotiation ${HELLOS_AT_MOST} times, the requests between are answered`;
    };
    await attacked.bear(t, once);
  });
});
