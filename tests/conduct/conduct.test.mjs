// HTTP/1.1 as the hub speaks it: every case of requests.txt, sent whole, byte by byte, and cut off at every byte.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { start_hub } from "../web/support/hub.mjs";
import { until } from "../web/support/until.mjs";
import { Barrier, Connection } from "./connection.mjs";
import { read_table } from "./table.mjs";

const table = read_table();
const AT_A_TIME = 24;
// So that a difference in a megabyte can be read.
const shown = (data) =>
  data.length < 200 ? data : `${data.length} bytes, SHA-256 ${createHash("sha256").update(data).digest("hex")}`;

/// Runs `each` for every item, some at a time; all that failed are told together.
async function for_all(items, each) {
  const failures = [];
  const left = items.values();
  const work = async () => {
    for (const item of left) await each(item).catch((error) => failures.push(`${item.id}: ${error.message}`));
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
  assert.deepEqual(failures, []);
}

/// The events that anybody sends to the user `witness`: {name of the event: [data]}.
class Witness {
  static async open(port) {
    const witness = new Witness();
    witness.connection = await Connection.open(port);
    witness.connection.send("GET /sse/subscribe/witness HTTP/1.0\r\n\r\n");
    assert.equal((await witness.connection.take_head()).status, 200);
    await witness.event();
    return witness;
  }
  async event() {
    for (;;) {
      const event = { name: "message", data: [] };
      for (const line of (await this.connection.take_until("\n\n")).split("\n")) {
        if (line.startsWith("event: ")) event.name = line.slice(7);
        if (line === "data:" || line.startsWith("data: ")) event.data.push(line.slice(6));
      }
      // Without data it is a heartbeat (WHATWG 9.2.6).
      if (event.data.length > 0) return { name: event.name, data: event.data.join("\n") };
    }
  }
  /// All events since the last call, by their names.
  async seen(hub) {
    await hub.send("/sse/send/witness?event=all-sent", "");
    const seen = {};
    for (;;) {
      const { name, data } = await this.event();
      if (name === "all-sent") return seen;
      (seen[name] ??= []).push(shown(data));
    }
  }
}

const expected_events = Object.fromEntries(
  table.filter(({ events }) => events.length > 0).map(({ id, events }) => [id, events.map(shown)]),
);

/// What holds for every answer, whatever it is.
function check_answer({ status, fields, body }, block, http_1_0) {
  const { answer } = block;
  assert.equal(status, answer === "stream" ? 200 : answer.status);
  for (const [name, value] of block.fields) assert.equal(fields.get(name.toLowerCase()), value, name);
  if (status < 200) return assert.deepEqual([...fields], []);
  assert.match(fields.get("date") ?? "", /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/); // RFC 9110 6.6.1
  assert.ok(!(fields.has("content-length") && fields.has("transfer-encoding"))); // RFC 9112 6.2
  if (answer === "stream") return assert.equal(fields.get("connection"), "close"); // RFC 9112 9.6
  if (answer.close) assert.equal(fields.get("connection"), "close"); // RFC 9110 6.6.1
  else assert.equal(fields.get("connection"), http_1_0 ? "keep-alive" : undefined);
  if (status >= 400 && block.method !== "HEAD") {
    assert.equal(fields.get("content-type"), "application/json");
    assert.match(JSON.parse(body).error, /./);
  }
}

/// Takes the answer that `block` has to get, on `connection`.
async function take_expected(connection, block) {
  const http_1_0 = /^[^\r\n]* HTTP\/1\.0\r\n/.test((block.begun ?? block).bytes);
  const answer =
    block.answer === "stream" ? await connection.take_head() : await connection.take_answer(block.method);
  check_answer(answer, block, http_1_0);
}

/// What has to hold when all was sent and every answer has come.
async function check_end(connection, { blocks }, barrier) {
  const last = blocks.findLast((block) => block.answer !== undefined).answer;
  if (last.close) {
    while (await connection.more()) continue;
    assert.equal(connection.ended, "closed", "the last bytes could have been lost (RFC 9112 9.6)");
    assert.equal(connection.received, "");
    return;
  }
  if (last === "stream") {
    while (!connection.received.includes("event: connected\n") && (await connection.more())) continue;
  }
  await barrier.pass();
  if (last === "stream") {
    assert.doesNotMatch(connection.received, /HTTP\/|"error"/);
    assert.match(connection.received, /event: connected\n/);
    assert.equal(connection.ended, undefined);
    return;
  }
  assert.equal(connection.received, "", "more came");
  assert.equal(connection.ended, undefined, "the connection has ended");
  if (last === "wait") return;
  connection.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  assert.equal((await connection.take_answer("GET")).body, "ok", "the connection serves nobody any more");
}

describe("HTTP conduct", { timeout: 240_000 }, () => {
  let hub;
  let barrier;
  let witness;
  let cut_off = 0;
  before(async () => {
    hub = await start_hub("--threads", "1", "--max-queued-bytes", "67108864", "--request-timeout-ms", "120000");
    barrier = await Barrier.open(hub.port);
    witness = await Witness.open(hub.port);
  });
  after(async () => {
    barrier?.close();
    witness?.connection.destroy();
    await hub?.stop();
    console.log(`${table.length} cases, each whole and byte by byte; ${cut_off} prefixes that end early`);
  });

  test("sent whole", async () => {
    await for_all(table, async (one) => {
      const connection = await Connection.open(hub.port);
      try {
        let due = [];
        for (const block of one.blocks) {
          if (block.after_answer) {
            connection.send(due.map((each) => each.bytes).join(""));
            for (const each of due) await take_expected(connection, each);
            due = [];
          }
          due.push(block);
        }
        connection.send(due.map((each) => each.bytes).join(""));
        for (const each of due) {
          if (each.answer !== undefined && each.answer !== "wait") await take_expected(connection, each);
        }
        await check_end(connection, one, barrier);
      } finally {
        connection.destroy();
      }
    });
    assert.deepEqual(await witness.seen(hub), expected_events);
  });

  // All of them at once, a byte each in turn: the hub has dealt with one byte before the next comes, without a wait.
  test("sent byte by byte, and not answered before the last", async () => {
    const failures = [];
    const walk = async (one, turn) => {
      const connection = await Connection.open(hub.port);
      try {
        for (const block of one.blocks) {
          let early = false;
          for (const bytes of block.sends()) {
            await turn();
            // A stream says what it has to say whenever it likes.
            if (connection.received !== "" && !one.blocks.some(({ answer }) => answer === "stream")) early = true;
            if (connection.ended || early) break;
            connection.send(bytes);
          }
          if (early) assert.ok(block.refused_early, `answered too early: ${JSON.stringify(connection.received)}`);
          if (block.answer !== undefined && block.answer !== "wait") await take_expected(connection, block);
        }
        await turn();
        await check_end(connection, one, barrier);
      } finally {
        connection.destroy();
      }
    };
    let waiting = [];
    let walking = table.length;
    for (const one of table) {
      walk(one, () => new Promise((resolve) => waiting.push(resolve)))
        .catch((error) => failures.push(`${one.id}: ${error.message}`))
        .finally(() => --walking);
    }
    while (walking > 0) {
      const turns = waiting;
      waiting = [];
      turns.forEach((resolve) => resolve());
      await barrier.pass();
    }
    assert.deepEqual(failures, []);
    assert.deepEqual(await witness.seen(hub), expected_events);
  });

  // RFC 9112 8: a request that is not complete is not executed.
  test("cut off at every byte, and not executed", async () => {
    const requests = table
      .filter(({ blocks }) => blocks.length === 1 && blocks[0].answer !== "wait" && !blocks[0].refused_early)
      .map(({ id, blocks }) => blocks[0].bytes.replaceAll(`event=${id}`, "event=cut-off"))
      .filter((bytes) => bytes.length < 600);
    // What several have in common is cut once.
    const all = new Set(requests.flatMap((bytes) => Array.from(bytes, (_, size) => bytes.slice(0, size))));
    const prefixes = Array.from(all, (bytes) => ({ id: JSON.stringify(bytes), bytes }));
    cut_off = prefixes.length;
    await for_all(prefixes, async ({ bytes }) => {
      const connection = await Connection.open(hub.port);
      try {
        connection.send(bytes);
        connection.end();
        while (await connection.more()) continue;
        assert.equal(connection.received, "");
        assert.equal(connection.ended, "closed");
      } finally {
        connection.destroy();
      }
    });
    assert.deepEqual(await witness.seen(hub), {});
    await until("nobody but the witness to be left", async () => {
      const { streams } = await hub.count();
      return streams === 1;
    });
  });
});
