// UTF-8: is a text valid, and what is the nearest text that is. (RFC 3629; Unicode 3.9, table 3-7; WHATWG 9.2.5)
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <spate/config.hpp>

namespace spate::detail {

/// Length of the well-formed sequence at the front of `text`, or 0 if there is none; then `bad` is the number of
/// bytes that one U+FFFD stands for (the maximal subpart, as every decoder of the web replaces it).
SPATE_DECL std::size_t utf8_sequence(std::string_view text, std::size_t& bad) noexcept;

/// Bytes of valid UTF-8 at the front of `text`; `text.size()` when all of it is valid.
SPATE_DECL std::size_t valid_utf8_prefix(std::string_view text) noexcept;

inline bool valid_utf8(std::string_view text) noexcept {
  return valid_utf8_prefix(text) == text.size();
}

/// `text` with every ill-formed sequence replaced by U+FFFD, one for each maximal subpart.
SPATE_DECL std::string repair_utf8(std::string_view text);

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/wire/impl/utf8.ipp>
#endif
