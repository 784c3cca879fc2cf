// Payloads made to break out of their event, and what they must arrive as.

const bytes = (...parts) => Buffer.concat(parts.map((part) => Buffer.from(part)));

/// [title, body, data]; `data` is undefined where the body is not UTF-8 and must be refused.
export const hostile_data = [
  ["nothing", "", ""],
  ["a line end", "\n", "\n"],
  ["a line end at the end (WHATWG 9.2.6)", "a\n", "a\n"],
  ["CR", "a\rb\r", "a\nb\n"],
  ["CRLF", "a\r\nb\r\n", "a\nb\n"],
  ["LF, CR: two ends", "a\n\rb", "a\n\nb"],
  ["CR, CR, LF: two ends", "a\r\r\nb", "a\n\nb"],
  ["an event of its own", "a\n\nevent: evil\ndata: evil\n\n", "a\n\nevent: evil\ndata: evil\n\n"],
  ["fields after CR", "a\rid: evil\revent: evil\rretry: 1\r\rdata: evil", "a\nid: evil\nevent: evil\nretry: 1\n\ndata: evil"],
  ["a chunk's end", "a\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "a\n0\n\nHTTP/1.1 200 OK\n\n"],
  ["NUL and control characters (WHATWG 9.2.5)", "\0a\0\x01\x0b\x0c\x1f\x7f", "\0a\0\x01\x0b\x0c\x1f\x7f"],
  ["a BOM in front (WHATWG 9.2.6)", "\uFEFFdata: x", "\uFEFFdata: x"],
  ["BOMs in front of lines", "a\n\uFEFF\n\uFEFFb", "a\n\uFEFF\n\uFEFFb"],
  ["colons and spaces", ":\n: x\n  : \n x ", ":\n: x\n  : \n x "],
  ["U+2028, U+2029, U+0085", "a\u2028b\u2029c\u0085d", "a\u2028b\u2029c\u0085d"],
  ["the end of a script", "</script><script>evil()</script><!--", "</script><script>evil()</script><!--"],
  ["the end of a string", "\"'`\\\"); evil(\"${evil}\\u2028\\", "\"'`\\\"); evil(\"${evil}\\u2028\\"],
  ["beyond the basic plane", "\u{1F30A}\u{10FFFF}", "\u{1F30A}\u{10FFFF}"],
  ["one long line", "x".repeat(300_000), "x".repeat(300_000)],
  ["many line ends", "\r".repeat(50_000), "\n".repeat(50_000)],
  ["as much as is accepted", "\u20AC".repeat(349_525) + "x", "\u20AC".repeat(349_525) + "x"],
  ["a lone surrogate", bytes("a", [0xed, 0xa0, 0x80]), undefined],
  ["an overlong NUL", bytes("a", [0xc0, 0x80]), undefined],
  ["an overlong line end", bytes([0xe0, 0x80, 0x8a]), undefined],
  ["a character cut short", bytes("a", [0xe2, 0x82]), undefined],
  ["beyond U+10FFFF", bytes([0xf4, 0x90, 0x80, 0x80]), undefined],
  ["Latin-1", bytes([0xfc]), undefined],
];

/// [title, percent-encoded name, name]; `name` is undefined where it must be refused.
export const hostile_names = [
  ["absent", "", "message"],
  ["a colon in front", "%3Anote", ":note"],
  ["a space in front", "+note", " note"],
  ["spaces only", "%20%20", "  "],
  ["a field", "data%3A%20x", "data: x"],
  ["no ASCII", "%C3%A9v%C3%A9nement", "événement"],
  ["a BOM", "%EF%BB%BFnote", "\uFEFFnote"],
  ["U+2028", "a%E2%80%A8b", "a\u2028b"],
  ["the end of a script", "%3C/script%3E%22%27", "</script>\"'"],
  ["control characters", "a%01%0B%7Fb", "a\x01\x0b\x7fb"],
  ["long", "n".repeat(2000), "n".repeat(2000)],
  ["as an object's own", "__proto__", "__proto__"],
  ["LF", "a%0Adata:%20evil", undefined],
  ["CR", "a%0Ddata:%20evil", undefined],
  ["CRLF", "a%0D%0A%0D%0A", undefined],
  ["NUL", "a%00b", undefined],
  ["a lone surrogate", "a%ED%A0%80", undefined],
  ["an overlong line end", "a%C0%8Ab", undefined],
  ["a broken escape", "a%0", undefined],
  ["twice", "a&event=b", undefined],
  ["connected, which is the hub's own", "connected", undefined],
  ["gap, which is the hub's own", "gap", undefined],
  ["closing, which is the hub's own", "closing", undefined],
];

/// Texts for any other field, and bytes that are no text.
export const hostile_texts = [
  ...hostile_data.map(([, body]) => body).filter((body) => body.length < 100_000),
  ...["data", "data:", "id", "event: x", "retry: 1", "gap", "connected", "*", "%0A", "%", "..", "/", "a/b", "a?b", "a&b=c", "a+b", "a#b"],
  ...["earliest", "0-0", "-1", "18446744073709551616", "\u0085", "\u2028", "\x7f", "\u200b", "e\u0301", "\ud83c\udf0a"],
  "x".repeat(256),
  "x".repeat(257),
  "\u20ac".repeat(1000),
];

/// Small whole numbers from `seed` on, the same in every run.
export function numbers(seed) {
  let state = seed >>> 0;
  return (below) => {
    // Mulberry32.
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const pieces = ["\r", "\n", "\r\n", "\n\n", "\0", ":", " ", "data:", "id: 1", "event: x", "retry: 1", "\uFEFF", "\u2028", "é", "\u{1F30A}", "</script>", "\\", '"', "x"];

/// A text of up to `longest` pieces, most of which mean something in an event stream.
export function hostile_text(number, longest) {
  return Array.from({ length: number(longest + 1) }, () => pieces[number(pieces.length)]).join("");
}

/// What a text arrives as: line ends are normalised once (WHATWG 9.2.6).
export const normalised = (text) => text.replace(/\r\n?/g, "\n");
