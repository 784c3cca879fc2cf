// Percent-encoding: text as a part of a URL, and back. (RFC 3986 2.1)
//
//   "/sse/subscribe/" + spate::percent_encode(user)          // "a b/c" is a%20b%2Fc
//   spate::percent_decode("a%20b%2Fc")                       // "a b/c"
//
// Functions without state: any thread may call them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <spate/http/detail/percent.hpp>
#include <spate/http/detail/tokens.hpp>

namespace spate {

/// `text` with everything escaped but letters, digits, `-`, `.`, `_` and `~`: good for one segment of a path, and for a
/// name or a value of a query.
inline std::string percent_encode(std::string_view text) {
  constexpr char hex[] = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    if (detail::is_alpha(c) || detail::is_digit(c) || std::string_view("-._~").find(c) != std::string_view::npos) {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded.append({'%', hex[byte >> 4], hex[byte & 15]});
  }
  return encoded;
}

/// `text` decoded, or nothing when a `%` has no two hexadecimal digits behind it. A `+` is itself, as in a path.
inline std::optional<std::string> percent_decode(std::string_view text) {
  if (!detail::well_formed_percent(text)) return std::nullopt;
  return detail::percent_decode(text, detail::Plus::literal);
}

}  // namespace spate
