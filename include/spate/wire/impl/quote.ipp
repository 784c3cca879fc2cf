// The functions of quote.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/wire/detail/quote.hpp>

namespace spate::detail {

SPATE_DECL std::string quote(std::string_view text) {
  constexpr std::size_t shown = 80;
  constexpr char hex[] = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char c : text.substr(0, shown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (c == '\r') {
      quoted += "\\r";
    } else if (byte < 0x20 || byte >= 0x7F) {
      quoted += "\\x";
      quoted += hex[byte >> 4];
      quoted += hex[byte & 15];
    } else {
      quoted += c;
    }
  }
  quoted += text.size() > shown ? "\"..." : "\"";
  return quoted;
}

}  // namespace spate::detail
