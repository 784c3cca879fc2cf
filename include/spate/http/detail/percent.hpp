// Percent-encoding, read strictly. (RFC 3986 2.1)
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <spate/config.hpp>

namespace spate::detail {

/// What a `+` stands for: itself in a path, a space in a query (`application/x-www-form-urlencoded`).
enum class Plus { literal, space };

constexpr int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Whether two hexadecimal digits follow each `%`.
constexpr bool well_formed_percent(std::string_view text) noexcept {
  for (std::size_t at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 3)) {
    if (text.size() - at < 3 || hex_digit(text[at + 1]) < 0 || hex_digit(text[at + 2]) < 0) return false;
  }
  return true;
}

/// `text` decoded. A `%` that begins no escape stands for itself; ask `well_formed_percent` first where it must not.
SPATE_DECL std::string percent_decode(std::string_view text, Plus plus);

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/http/impl/percent_decode.ipp>
#endif
