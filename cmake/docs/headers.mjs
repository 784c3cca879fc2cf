// Makes of a public header what Doxygen understands: its comments keep their own forms in the sources.
//
// - What a header opens with becomes the description of the class that it is about, and its first sentence that of the
//   file.
// - "Returns", "Throws", "Threads" and the like, in a column of their own, become paragraphs with that heading.
// - Indented lines become code.
// - A comment behind an enumerator or a field describes it.
// - Declarations that stand below a described one, without a blank line, share its description.
// - Deleted overloads are left out, which are there for the compiler's message, and friends.

import { for_doxygen } from "./code_span.mjs";

const labels = /^(Returns|Throws|Errors|Completes|Threads|Lifetime|Callbacks|Order|Exceptions) {2,}(.*)$|^(Cancellation) (.*)$/;

/// The lines of a comment, without their slashes, as those of one for Doxygen.
function described(lines) {
  const result = [];
  let code = false;
  let label = false;
  for (const line of [...lines, ""]) {
    const indented = /^ {2,}\S/.test(line);
    if (code && !indented && line !== "") {
      // Blank lines at the end belong to what follows.
      let end = result.length;
      while (result[end - 1] === "") --end;
      result.splice(end, 0, "@endcode");
      code = false;
    }
    const found = labels.exec(line);
    if (found) {
      result.push(`@par ${found[1] ?? found[3]}`, spans(found[2] ?? found[4]));
      label = true;
    } else if (label && indented) {
      result.push(spans(line.trim()));
    } else if (indented || (code && line === "")) {
      if (!code) result.push("@code{.cpp}");
      code = true;
      result.push(line.replace(/^ {2}/, ""));
    } else {
      label = false;
      result.push(spans(line));
    }
  }
  if (code) result.push("@endcode");
  while (result.at(-1) === "") result.pop();
  return result;
}

const spans = (line) =>
  line
    .split(/(`[^`]+`)/)
    .map((part, index) => (index % 2 === 1 ? for_doxygen(part.slice(1, -1)) : part.replace(/(^| )::/g, "$1\\::")))
    .join("");

const comment = (lines, indent = "") => lines.map((line) => `${indent}/// ${line}`.trimEnd());

/// The line that declares what the header is about: the class that its first sentence names first, or the one that is
/// named like the file, as EventStream is like event_stream.hpp. None: -1.
function subject_of(path, about, lines) {
  const like_file = path.replace(/^.*\/|\.hpp$/g, "").replace(/(^|_)(\w)/g, (_, __, letter) => letter.toUpperCase());
  for (const name of [...about[0].split(/\W+/), like_file]) {
    if (!/^[A-Z]\w+[a-z]/.test(name)) continue;
    const declares = new RegExp(`^(class|struct|enum class) ${name}\\b[^;]*$|^using ${name} =`);
    const at = lines.findIndex((line) => declares.test(line));
    if (at >= 0) return at;
  }
  return -1;
}

export function header_for_doxygen(path, text) {
  let lines = text.split("\n");
  let opening = 0;
  while (lines[opening].startsWith("//")) ++opening;
  const about = lines.slice(0, opening).map((line) => line.replace(/^\/\/ ?/, ""));
  lines = lines.slice(opening);

  // A template of the standard library, and names for the deleted overloads, are nothing to read about.
  const unread = /is_error_code_enum|using (Names|Texts) = std::initializer_list/;
  lines = lines.filter((line, index) => !unread.test(line) && !(line === "template <>" && unread.test(lines[index + 1])));

  const at = subject_of(path, about, lines);
  const whole = described(about);
  const result = ["/// @file"];
  // All up to the first blank line, when a class has the rest.
  const blank = about.indexOf("");
  const first = blank < 0 ? about : about.slice(0, blank);
  result.push(...comment(at < 0 ? whole : described(first)), "");
  if (at >= 0) {
    let start = at;
    while (/^(template|\/\/\/)/.test(lines[start - 1])) --start;
    lines.splice(start, 0, ...comment(whole), ...(start < at && lines[start].startsWith("///") ? ["///"] : []));
  }

  let shared = null; // the description that the next declaration gets if it has none
  for (let index = 0; index < lines.length; ) {
    const line = lines[index];
    const indent = /^ */.exec(line)[0];
    if (/^ *\/\/\//.test(line)) {
      const block = [];
      for (; index < lines.length && /^ *\/\/\//.test(lines[index]); ++index) {
        block.push(lines[index].replace(/^ *\/\/\/ ?/, ""));
      }
      // What has been made of the opening is done already.
      shared = comment(block.some((text) => text.startsWith("@")) ? block : described(block), indent);
      result.push(...shared);
      const end = declaration_end(lines, index);
      if (end > index) index = take(result, lines, index, end, null);
      continue;
    }
    if (line === "" || /^ *(\/\/|public:|private:|protected:|#)/.test(line)) {
      shared = null;
      result.push(line);
      ++index;
      continue;
    }
    const end = declaration_end(lines, index);
    if (end > index) {
      index = take(result, lines, index, end, shared);
      continue;
    }
    shared = null;
    result.push(with_trailing_comment(line));
    ++index;
  }
  return result.join("\n");
}

/// Where the declaration at `index` ends, behind its last line; `index` itself when none begins there. A class or an
/// enumeration is none: its members are looked at one by one.
function declaration_end(lines, index) {
  const begins = lines[index] ?? "";
  if (!/^ *[A-Za-z~[]/.test(begins) || /^ *(namespace|extern)\b/.test(begins)) return index;
  const indent = /^ */.exec(begins)[0];
  for (let at = index; at < lines.length; ++at) {
    const line = lines[at];
    const code = line.replace(/ +\/\/.*$/, "");
    if (/^ *(class|struct|enum)\b[^;]*$/.test(code)) return index;
    if (line === "") return index;
    if (/;$/.test(code) && !/\{[^}]*$/.test(code)) {
      // The end of a statement inside a body does not end it.
      if (/^ */.exec(line)[0].length <= indent.length || !open_brace(lines, index, at)) return at + 1;
    }
    if (/\}$/.test(code) && !open_brace(lines, index, at)) return at + 1;
  }
  return index;
}

function open_brace(lines, from, to) {
  let depth = 0;
  for (let at = from; at <= to; ++at) {
    const code = lines[at].replace(/ +\/\/.*$/, "").replace(/"(\\.|[^"])*"|'(\\.|[^'])'/g, "");
    for (const letter of code) depth += letter === "{" ? 1 : letter === "}" ? -1 : 0;
  }
  return depth > 0;
}

function take(result, lines, from, to, description) {
  const declaration = lines.slice(from, to);
  if (/= delete;|^ *friend\b/.test(declaration.join("\n"))) return to;
  const trailing = / {2}\/\/ (?!NOLINT)/.test(declaration[0]);
  const destructor = /^ *~/.test(declaration[0]);
  if (description && !trailing && !destructor) result.push(...description);
  result.push(...declaration.map(with_trailing_comment));
  return to;
}

/// Of enumerators and fields; code within a function keeps its comments.
function with_trailing_comment(line) {
  if (/^ *(struct|class) /.test(line)) return line;
  return line.replace(/^( *[^/ ][^"]*?[,;\w)}] {1,})\/\/ (?!NOLINT|namespace)/, "$1///< ");
}
