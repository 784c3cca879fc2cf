// The functions of utf8.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/wire/detail/utf8.hpp>

namespace spate::detail {

SPATE_DECL std::size_t utf8_sequence(std::string_view text, std::size_t& bad) noexcept {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  bad = 1;
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  std::size_t length = 0;
  unsigned low = 0x80, high = 0xBF;  // the bounds of the second byte: they exclude overlong forms and surrogates
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return 0;
  }
  for (std::size_t at = 1; at < length; ++at) {
    if (at >= text.size() || byte(at) < low || byte(at) > high) {
      bad = at;
      return 0;
    }
    low = 0x80;
    high = 0xBF;
  }
  return length;
}

SPATE_DECL std::size_t valid_utf8_prefix(std::string_view text) noexcept {
  std::size_t at = 0;
  while (at < text.size()) {
    // Plain ASCII, the common case, goes eight bytes at a time.
    std::uint64_t word;
    if (text.size() - at >= sizeof word) {
      std::memcpy(&word, text.data() + at, sizeof word);
      if ((word & 0x8080808080808080u) == 0) {
        at += sizeof word;
        continue;
      }
    }
    std::size_t bad;
    const std::size_t length = utf8_sequence(text.substr(at), bad);
    if (length == 0) return at;
    at += length;
  }
  return at;
}

SPATE_DECL std::string repair_utf8(std::string_view text) {
  std::string repaired;
  repaired.reserve(text.size());
  while (!text.empty()) {
    const std::size_t good = valid_utf8_prefix(text);
    repaired.append(text.substr(0, good));
    text.remove_prefix(good);
    if (text.empty()) break;
    std::size_t bad;
    utf8_sequence(text, bad);
    repaired.append("\xEF\xBF\xBD");
    text.remove_prefix(bad);
  }
  return repaired;
}

}  // namespace spate::detail
