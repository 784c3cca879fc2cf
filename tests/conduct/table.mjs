// The table of requests.txt, as objects:
//
//   { id, clause, rule, blocks, events }          one case; events: data that must have been sent because of it
//   { pieces, answer, fields, after_answer }      one block: bytes, and what they are answered with, if with anything
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const escapes = { r: "\r", n: "\n", t: "\t", 0: "\0", "\\": "\\" };

/// Bytes, as a binary string, of what a line of the table says.
function unescape(text) {
  return Buffer.from(text, "utf8")
    .toString("latin1")
    .replace(/\\(?:x([0-9A-F]{2})|(.))/g, (whole, hex, letter) => {
      if (hex) return String.fromCharCode(parseInt(hex, 16));
      assert.ok(letter in escapes, `unknown escape ${whole}`);
      return escapes[letter];
    });
}

/// A line as pieces {bytes, count}: what is written out, and what is repeated.
function pieces_of(line, id) {
  const send = `/sse/send/witness?event=${id}`;
  const named = line
    .replaceAll("{next}", "GET /healthz HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
    .replaceAll("{evil}", `POST ${send} HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Length: 4\\r\\n\\r\\nevil`)
    .replaceAll("{send}", send);
  const pieces = [];
  let from = 0;
  for (const repeated of named.matchAll(/<<([^]+?)\*(\d+)>>/g)) {
    pieces.push({ bytes: unescape(named.slice(from, repeated.index)), count: 1 });
    pieces.push({ bytes: unescape(repeated[1]), count: Number(repeated[2]) });
    from = repeated.index + repeated[0].length;
  }
  pieces.push({ bytes: unescape(named.slice(from)), count: 1 });
  return pieces.filter(({ bytes }) => bytes);
}

const whole = (pieces) => pieces.map(({ bytes, count }) => bytes.repeat(count)).join("");

/// What a client does with a connection, one block after the other.
class Block {
  constructor(before) {
    this.begun = before?.answer.status === 100 ? before : undefined; // the block that this one is the body of
    this.pieces = [];
    this.answer = undefined; // {status, close}, "stream" or "wait"
    this.fields = [];
    this.after_answer = before !== undefined; // sent only when the answer of the block before has come
  }
  get bytes() {
    return whole(this.pieces);
  }
  get method() {
    return (this.begun ?? this).bytes.trimStart().split(" ", 1)[0];
  }
  /// The bytes one by one, but for long runs of the same.
  *sends() {
    for (const piece of this.pieces) {
      if (piece.bytes.length * piece.count > 64 && piece.count > 1) yield piece.bytes.repeat(piece.count);
      else yield* piece.bytes.repeat(piece.count);
    }
  }
  /// Whether the answer may come before the last byte: it is the parser's, which need not see the rest.
  get refused_early() {
    return Boolean(this.answer?.close) && [400, 413, 414, 417, 431, 501, 505].includes(this.answer.status);
  }
}

function parse_answer(text) {
  if (text === "stream" || text === "wait") return text;
  const found = /^([1-5]\d\d)( close)?$/.exec(text);
  assert.ok(found, `no answer: ${text}`);
  return { status: Number(found[1]), close: Boolean(found[2]) };
}

export function read_table(file = new URL("requests.txt", import.meta.url)) {
  const cases = [];
  let current;
  let block;
  const open_block = () => {
    if (block && block.answer === undefined) return block;
    block = new Block();
    current.blocks.push(block);
    return block;
  };
  const take = {
    "==": (text) => {
      const [id, clause, rule, ...more] = text.split("|").map((part) => part.trim());
      assert.ok(rule && more.length === 0 && /^[a-z0-9-]+$/.test(id), `no heading: ${text}`);
      assert.ok(cases.every((known) => known.id !== id), `${id} is there twice`);
      current = { id, clause, rule, blocks: [], events: [] };
      block = undefined;
      cases.push(current);
    },
    ">": (text) => open_block().pieces.push(...pieces_of(text + "\\r\\n", current.id)),
    "|": (text) => open_block().pieces.push(...pieces_of(text, current.id)),
    "=": (text) => (open_block().answer = parse_answer(text)),
    ":": (text) => block.fields.push(/^([\w-]+):(?: (.*))?$/.exec(text).slice(1)),
    "...": () => {
      block = new Block(block);
      current.blocks.push(block);
    },
    "~": (text) => current.events.push(whole(pieces_of(text, current.id))),
  };
  for (const [index, line] of readFileSync(file, "utf8").split("\n").entries()) {
    if (line === "" || line.startsWith("#")) continue;
    const mark = line.split(" ", 1)[0];
    assert.ok(Object.hasOwn(take, mark), `line ${index + 1}: unknown mark ${mark}`);
    take[mark](line.slice(mark.length + 1));
  }
  return cases;
}
