// JSON strings: what `JSON.parse` reads back as the text, and what may also stand inside an HTML script element.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <spate/wire/detail/utf8.hpp>

namespace spate::detail {

/// Appends `text` to `out` as a JSON string, quotes included. (RFC 8259 7)
///
/// `<` is escaped so that no `</script>` or `<!--` can appear, U+2028 and U+2029 because older scripts take them for
/// line ends; an ill-formed UTF-8 sequence becomes U+FFFD.
inline void append_json_string(std::string& out, std::string_view text) {
  constexpr char hex[] = "0123456789abcdef";
  out += '"';
  std::size_t kept = 0;  // the bytes before it are in `out`
  const auto replace = [&](std::size_t at, std::size_t size, std::string_view by) {
    out.append(text, kept, at - kept);
    out += by;
    kept = at + size;
  };
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x80) {
      if (byte == '"') {
        replace(at, 1, "\\\"");
      } else if (byte == '\\') {
        replace(at, 1, "\\\\");
      } else if (byte == '\n') {
        replace(at, 1, "\\n");
      } else if (byte < 0x20 || byte == '<' || byte == 0x7F) {
        const char escape[] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};
        replace(at, 1, {escape, sizeof escape});
      }
      ++at;
      continue;
    }
    std::size_t bad = 0;
    const std::size_t length = utf8_sequence(text.substr(at), bad);
    if (length == 0) {
      replace(at, bad, "\xEF\xBF\xBD");
    } else if (text.compare(at, 3, "\xE2\x80\xA8") == 0) {
      replace(at, 3, "\\u2028");
    } else if (text.compare(at, 3, "\xE2\x80\xA9") == 0) {
      replace(at, 3, "\\u2029");
    }
    at += length == 0 ? bad : length;
  }
  out.append(text, kept, text.size() - kept);
  out += '"';
}

}  // namespace spate::detail
