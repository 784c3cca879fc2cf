// The table of http2_cases.txt, as objects, and what runs one of them:
//
//   { id, clause, rule, steps }
//   { bytes(connection) }, { wants: [alternative] }     a step: something to send, or what must come
//
//   const failure = await run_case(one, "http://127.0.0.1:8080"); // undefined when all is as it has to be
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { CODES, FLAGS, Http2Connection, PREFACE, SETTINGS, TYPES, frame, request_fields, settings_payload, u32 } from "./http2_connection.mjs";
import { header_block, literal } from "./http2_hpack.mjs";

const flag_names = { es: FLAGS.END_STREAM, ack: FLAGS.ACK, eh: FLAGS.END_HEADERS, pad: FLAGS.PADDED, prio: FLAGS.PRIORITY };
const escapes = { r: "\r", n: "\n", t: "\t", 0: "\0", "\\": "\\", '"': '"' };
const QUOTED = /"((?:\\.|[^"\\])*)"/.source;
const BARE = /([^\s"=]+)/.source;
const FIELD = new RegExp(`^([\\^!%]*)(?:${QUOTED}|${BARE})=(?:${QUOTED}|([^\\s"]*))$`);

const unescape = (text) =>
  text.replace(/\\(?:x([0-9A-Fa-f]{2})|(.))/g, (whole, hex, letter) => {
    if (hex) return String.fromCharCode(parseInt(hex, 16));
    assert.ok(letter in escapes, `unknown escape ${whole}`);
    return escapes[letter];
  });

// What {name} stands for. The scheme is that of the connection.
const macros = {
  preface: () => Buffer.from(PREFACE),
  get: ({ scheme }) => header_block(request_fields("GET", "/", [], scheme)),
  head: ({ scheme }) => header_block(request_fields("HEAD", "/", [], scheme)),
  post: ({ scheme }) => header_block(request_fields("POST", "/sse/send/nobody", [], scheme)),
  scheme: ({ scheme }) => header_block([[":scheme", scheme]]),
};

/// One word of a payload as a function that gives bytes.
function part_of(word) {
  let found;
  if ((found = /^(.+)\[(\d*):(\d*)\]$/.exec(word))) {
    const [, whole, begin, end] = found;
    const part = part_of(whole);
    return (connection) => part(connection).subarray(Number(begin), end === "" ? undefined : Number(end));
  }
  if ((found = /^(.+)\*(\d+)$/.exec(word)) && !FIELD.test(word)) {
    const part = part_of(found[1]);
    return (connection) => Buffer.concat(Array(Number(found[2])).fill(part(connection)));
  }
  if ((found = /^\{(\w+)\}$/.exec(word))) {
    assert.ok(found[1] in macros, `unknown: ${word}`);
    return macros[found[1]];
  }
  if ((found = new RegExp(`^${QUOTED}$`).exec(word))) return constant(Buffer.from(unescape(found[1]), "latin1"));
  if ((found = /^x((?:[0-9a-f]{2})+)$/.exec(word))) return constant(Buffer.from(found[1], "hex"));
  if ((found = /^u8:(\d+)$/.exec(word))) return constant(Buffer.from([Number(found[1])]));
  if ((found = /^u32:(\d+)$/.exec(word))) return constant(u32(Number(found[1])));
  // What a stream depends on: its number, ! when exclusively, and the weight of 1 to 256 (RFC 7540 6.3).
  if ((found = /^dep:(!?)(\d+),(\d+)$/.exec(word))) {
    const [, exclusive, stream, weight] = found;
    return constant(Buffer.concat([u32(Number(stream) + (exclusive ? 2 ** 31 : 0)), Buffer.from([Number(weight) - 1])]));
  }
  if ((found = /^([A-Z_]+|0x[0-9a-f]+)=(\d+)$/.exec(word))) {
    assert.ok(found[1] in SETTINGS || found[1].startsWith("0x"), `no setting: ${word}`);
    return constant(settings_payload({ [found[1]]: Number(found[2]) }));
  }
  if (word in CODES) return constant(u32(CODES[word]));
  if ((found = FIELD.exec(word))) {
    const [, how, quoted_name, name, quoted_value, value] = found;
    return constant(
      literal(unescape(quoted_name ?? name), unescape(quoted_value ?? value), {
        indexed: how.includes("^"),
        never: how.includes("!"),
        huffman: how.includes("%"),
      }),
    );
  }
  assert.fail(`what is ${word}?`);
}
const constant = (bytes) => () => bytes;

const words_of = (text) => text.match(/(?:"(?:\\.|[^"\\])*"|[^\s"])+/g) ?? [];
const payload_of = (words) => {
  const parts = words.map(part_of);
  return (connection) => Buffer.concat(parts.map((part) => part(connection)));
};

/// A frame as a function that gives bytes, for a connection.
function frame_of(text) {
  const [type_name, stream_name, ...words] = words_of(text);
  const type = TYPES[type_name] ?? (/^0x/.test(type_name) ? Number(type_name) : assert.fail(`no type: ${type_name}`));
  const flags = words.filter((word) => word.startsWith("+")).map((word) => flag_names[word.slice(1)] ?? Number(word.slice(1)));
  assert.ok(flags.every((flag) => flag < 256), `no flags: ${text}`);
  const length = words.map((word) => /^len:(\d+)$/.exec(word)?.[1]).find(Boolean);
  const payload = payload_of(words.filter((word) => !word.startsWith("+") && !word.startsWith("len:")));
  assert.match(stream_name ?? "", /^(next|last|\d+R?)$/, "no stream");
  return (connection) => {
    let stream = stream_name === "last" ? connection.next_stream - 2 : parseInt(stream_name);
    if (stream_name === "next") {
      stream = connection.next_stream;
      connection.next_stream += 2;
    } else if (stream % 2 === 1) {
      connection.next_stream = Math.max(connection.next_stream, stream + 2);
    }
    if (stream_name.endsWith("R")) stream += 2 ** 31;
    const flag_bits = flags.reduce((all, flag) => all | flag, 0);
    return frame(type, flag_bits, stream, payload(connection), length === undefined ? undefined : Number(length));
  };
}

/// What must come, of which `description` says what it is. `seen` looks at what has come on a connection.
function want_of(text) {
  const [what, ...rest] = words_of(text);
  const stream_of = (name, connection) => connection.stream(name === "last" ? connection.next_stream - 2 : Number(name));
  const wants = {
    status: (stream, code) => ({ seen: (c) => stream_of(stream, c).status !== undefined && c.means(stream_of(stream, c).status, code), of_stream: true }),
    end: (stream) => ({ seen: (c) => stream_of(stream, c).ended }),
    data: (stream, size) => ({ seen: (c) => stream_of(stream, c).frames.at(-1) === Number(size) }),
    quiet: (stream) => ({ seen: (c) => c.pongs?.includes("is quiet") && stream_of(stream, c).frames.length === 0, ping: "is quiet" }),
    rst: (stream, code) => ({ seen: (c) => stream_of(stream, c).reset === code, of_stream: true }),
    goaway: (code) => ({ seen: (c) => c.goaway?.code === code && c.ended, last: true }),
    closed: () => ({ seen: (c) => c.ended, last: true }),
    pong: (payload) => ({ seen: (c) => c.pongs?.includes(unescape(payload.slice(1, -1))) }),
    ack: () => ({ seen: (c) => c.acknowledged > c.acknowledged_before }),
    done: () => ({ seen: () => true, last: true }),
  };
  assert.ok(Object.hasOwn(wants, what), `no answer: ${text}`);
  for (const code of rest.filter((word) => /^[A-Z]/.test(word))) assert.ok(code in CODES, `no code: ${code}`);
  return { text, ...wants[what](...rest) };
}

export function read_http2_table(file = new URL("http2_cases.txt", import.meta.url)) {
  const cases = [];
  let current;
  for (const [index, line] of readFileSync(file, "utf8").split("\n").entries()) {
    if (line === "" || line.startsWith("#")) continue;
    const mark = line.split(" ", 1)[0];
    const text = line.slice(mark.length + 1);
    try {
      if (mark === "==") {
        const [id, clause, rule, ...more] = text.split("|").map((part) => part.trim());
        assert.ok(rule && more.length === 0 && /^[a-z0-9-]+$/.test(id), "no heading");
        assert.ok(cases.every((known) => known.id !== id), `${id} is there twice`);
        current = { id, clause, rule, steps: [] };
        cases.push(current);
      } else if (mark === ">" || mark === ">max") {
        current.steps.push({ bytes: frame_of(text), as_many_as_allowed: mark === ">max" });
      } else if (mark === "|") {
        current.raw ??= current.steps.length === 0;
        current.steps.push({ bytes: payload_of(words_of(text)) });
      } else if (mark === "=") {
        current.steps.push({ wants: text.split(" / ").map(want_of) });
      } else {
        assert.fail("unknown mark");
      }
    } catch (error) {
      throw new Error(`line ${index + 1}: ${error.message}: ${line}`);
    }
  }
  return cases;
}

// The end, or the reset of a stream since the step began, which none of the alternatives wants: nothing better can come.
function decided(connection, wants, reset_before) {
  if (connection.ended) return true;
  const about_streams = wants.every(({ of_stream }) => of_stream);
  return about_streams && [...connection.streams].some(([id, { reset }]) => reset && !reset_before.has(id));
}

/// What has come, for a message.
function told(connection) {
  const found = [];
  for (const [id, { status, frames, ended, reset }] of connection.streams) {
    if (status !== undefined) found.push(`status ${id} ${status}`);
    if (frames.length > 0) found.push(`data ${id} ${frames.join("+")}`);
    if (ended) found.push(`end ${id}`);
    if (reset) found.push(`rst ${id} ${reset}`);
  }
  if (connection.goaway) found.push(`goaway ${connection.goaway.code}`);
  if (connection.ended) found.push(connection.ended);
  return found.join(", ") || "nothing";
}

async function expect(connection, wants) {
  const reset_before = new Set([...connection.streams].filter(([, { reset }]) => reset).map(([id]) => id));
  for (const { ping } of wants) if (ping) connection.ping(ping);
  for (;;) {
    const found = wants.find(({ seen }) => seen(connection));
    if (found) return found;
    if (decided(connection, wants, reset_before)) break;
    try {
      await connection.next("an answer");
    } catch (error) {
      const because = /^waited/.test(error.message) ? "and no more" : `(${error.message})`;
      assert.fail(`${told(connection)} ${because}, instead of ${wants.map(({ text }) => text).join(" / ")}`);
    }
  }
  assert.fail(`${told(connection)}, instead of ${wants.map(({ text }) => text).join(" / ")}`);
}

// A connection that keeps on being one: it pongs and serves another request.
async function check_alive(connection) {
  const before = connection.pongs?.length ?? 0;
  connection.ping("alive?");
  await connection.until("a pong", () => (connection.pongs?.length ?? 0) > before);
  const stream = connection.request("GET", "/healthz");
  assert.ok(connection.means(await connection.status(stream), "200"), "it serves no other request");
  assert.equal(connection.goaway, undefined, "it says that it is going away");
}

/// Runs a case against the server at `url`; the result is what went wrong, if anything did. `any_status`: the server is
/// not the hub, and may answer an ordinary request as it likes. `turn`: see Http2Connection.send.
export async function run_case(one, url, { any_status = false, turn, deadline_ms } = {}) {
  const connection = await Http2Connection.connect(url, deadline_ms);
  connection.turn = turn;
  connection.means = (status, code) => {
    const wanted = Number(code);
    return any_status && wanted < 400 ? status >= 200 && status < 600 : status === wanted;
  };
  connection.acknowledged_before = 0;
  try {
    if (!one.raw) await connection.greet();
    let last;
    for (const { bytes, wants, as_many_as_allowed } of one.steps) {
      if (as_many_as_allowed) {
        const most = connection.settings.MAX_CONCURRENT_STREAMS;
        assert.ok(most > 0 && most <= 1000, `it allows ${most ?? "any number of"} streams`);
        connection.send(Buffer.concat(Array.from({ length: most }, () => bytes(connection))));
      } else if (bytes) {
        if (last?.wanted !== false) connection.acknowledged_before = connection.acknowledged ?? 0;
        connection.send(bytes(connection));
        last = { wanted: false };
      } else {
        last = { ...(await expect(connection, wants)), wanted: true };
        if (last.last) return undefined;
      }
    }
    await check_alive(connection);
    return undefined;
  } catch (error) {
    return error.message;
  } finally {
    connection.destroy();
  }
}
