// The functions of json.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/wire/detail/json.hpp>

namespace spate::detail {

SPATE_DECL void append_json_string(std::string& out, std::string_view text) {
  constexpr char hex[] = "0123456789abcdef";
  constexpr unsigned char first_after_c1 = 0xA0;
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
    } else if (const auto next = static_cast<unsigned char>(text[at + 1]); byte == 0xC2 && next < first_after_c1) {
      const char escape[] = {'\\', 'u', '0', '0', hex[next >> 4], hex[next & 15]};
      replace(at, 2, {escape, sizeof escape});
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
