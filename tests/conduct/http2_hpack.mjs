// Header compression (RFC 7541): an encoder that says each field as it is told to, and a decoder that refuses what is
// not allowed. Names and values are binary strings.
import assert from "node:assert/strict";

// RFC 7541 appendix A, from index 1 on.
const STATIC_TABLE = (
  ":authority|;:method|GET;:method|POST;:path|/;:path|/index.html;:scheme|http;:scheme|https;:status|200;:status|204;" +
  ":status|206;:status|304;:status|400;:status|404;:status|500;accept-charset|;accept-encoding|gzip, deflate;" +
  "accept-language|;accept-ranges|;accept|;access-control-allow-origin|;age|;allow|;authorization|;cache-control|;" +
  "content-disposition|;content-encoding|;content-language|;content-length|;content-location|;content-range|;" +
  "content-type|;cookie|;date|;etag|;expect|;expires|;from|;host|;if-match|;if-modified-since|;if-none-match|;" +
  "if-range|;if-unmodified-since|;last-modified|;link|;location|;max-forwards|;proxy-authenticate|;" +
  "proxy-authorization|;range|;referer|;refresh|;retry-after|;server|;set-cookie|;strict-transport-security|;" +
  "transfer-encoding|;user-agent|;vary|;via|;www-authenticate|"
)
  .split(";")
  .map((entry) => entry.split("|"));

// RFC 7541 appendix B: how many bits the code of each symbol has, as a digit to base 36; the last is the end of string.
const CODE_LENGTHS =
  "dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca" +
  "d67777777777777777777777878djde6f56565666577666567655677777fbeds" +
  "kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn" +
  "qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrqu";
const END_OF_STRING = 256;

// The code is canonical: codes of one length follow each other in the order of their symbols.
const codes = []; // of each symbol: its bits, as text
const symbols = new Map(); // the same the other way round
{
  const lengths = Array.from(CODE_LENGTHS, (digit) => parseInt(digit, 36));
  let code = 0;
  let length = 0;
  for (const symbol of Array.from(lengths.keys()).sort((a, b) => lengths[a] - lengths[b] || a - b)) {
    code *= 2 ** (lengths[symbol] - length);
    length = lengths[symbol];
    codes[symbol] = (code++).toString(2).padStart(length, "0");
    symbols.set(codes[symbol], symbol);
  }
  assert.equal(code, 2 ** length, "a Huffman code leaves nothing over");
}

function huffman_encoded(text) {
  const bits = Array.from(Buffer.from(text, "latin1"), (byte) => codes[byte]).join("");
  const padded = bits.padEnd(Math.ceil(bits.length / 8) * 8, "1");
  return Buffer.from((padded.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
}

function huffman_decoded(bytes) {
  let text = "";
  let code = "";
  for (const byte of bytes) {
    for (const bit of byte.toString(2).padStart(8, "0")) {
      code += bit;
      const symbol = symbols.get(code);
      if (symbol === undefined) continue;
      assert.notEqual(symbol, END_OF_STRING, "an end of string is no part of a string (RFC 7541 5.2)");
      text += String.fromCharCode(symbol);
      code = "";
    }
  }
  assert.match(code, /^1{0,7}$/, "padding is the beginning of the end of string (RFC 7541 5.2)");
  return text;
}

/// An integer whose first byte has `bits` bits for it, below those of `first` (RFC 7541 5.1).
export function integer(value, bits, first = 0) {
  const most = 2 ** bits - 1;
  if (value < most) return Buffer.from([first | value]);
  const bytes = [first | most];
  for (value -= most; value >= 128; value = Math.floor(value / 128)) bytes.push(128 | (value % 128));
  return Buffer.from([...bytes, value]);
}

function string(text, huffman) {
  const bytes = huffman ? huffman_encoded(text) : Buffer.from(text, "latin1");
  return Buffer.concat([integer(bytes.length, 7, huffman ? 0x80 : 0), bytes]);
}

/// A literal field with a literal name, exactly as given. `how` may ask that it be added to the table or never be, and
/// for the Huffman code.
export function literal(name, value, { indexed = false, never = false, huffman = false } = {}) {
  return Buffer.concat([Buffer.from([indexed ? 0x40 : never ? 0x10 : 0]), string(name, huffman), string(value, huffman)]);
}

/// A header block of literal fields [name, value], which leaves the table as it is.
export const header_block = (fields) => Buffer.concat(fields.map(([name, value]) => literal(name, value)));

export class Decoder {
  constructor(most_bytes = 4096) {
    this.table = []; // the newest first
    this.most_bytes = this.limit = most_bytes;
  }

  /// The fields [name, value] of a whole header block.
  decode(block) {
    const fields = [];
    let at = 0;
    const next = () => {
      assert.ok(at < block.length, "a header block is cut off");
      return block[at++];
    };
    const take_integer = (bits) => {
      let value = next() & (2 ** bits - 1);
      if (value < 2 ** bits - 1) return value;
      for (let factor = 1; ; factor *= 128) {
        const byte = next();
        value += (byte & 127) * factor;
        assert.ok(value < 2 ** 32, "an integer is too large");
        if (byte < 128) return value;
      }
    };
    const take_string = () => {
      const huffman = block[at] >= 128;
      const size = take_integer(7);
      assert.ok(at + size <= block.length, "a string is cut off");
      const bytes = block.subarray(at, (at += size));
      return huffman ? huffman_decoded(bytes) : bytes.toString("latin1");
    };
    while (at < block.length) {
      const first = block[at];
      if (first >= 0x80) {
        fields.push(this.entry(take_integer(7)));
      } else if (first >= 0x20 && first < 0x40) {
        assert.equal(fields.length, 0, "the table's size changes first of all (RFC 7541 4.2)");
        const size = take_integer(5);
        assert.ok(size <= this.limit, "the table is larger than allowed (RFC 7541 6.3)");
        this.most_bytes = size;
        this.evict();
      } else {
        const indexed = first >= 0x40;
        const index = take_integer(indexed ? 6 : 4);
        const field = [index > 0 ? this.entry(index)[0] : take_string(), take_string()];
        fields.push(field);
        if (indexed) this.table.unshift(field);
        this.evict();
      }
    }
    return fields;
  }
  entry(index) {
    const found = index > STATIC_TABLE.length ? this.table[index - STATIC_TABLE.length - 1] : STATIC_TABLE[index - 1];
    assert.ok(found, `there is no field ${index} (RFC 7541 2.3.3)`);
    return found;
  }
  evict() {
    const size = () => this.table.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
    while (size() > this.most_bytes) this.table.pop();
  }
}
