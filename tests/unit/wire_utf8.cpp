#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <spate/wire/detail/utf8.hpp>
#include "support/catch.hpp"
#include "support/pieces.hpp"

using namespace spate;
using namespace std::string_view_literals;

namespace {

std::string encode(std::uint32_t point) {
  const auto byte = [](std::uint32_t value) { return static_cast<char>(value); };
  if (point < 0x80) return {byte(point)};
  if (point < 0x800) return {byte(0xC0 | point >> 6), byte(0x80 | (point & 0x3F))};
  if (point < 0x10000) {
    return {byte(0xE0 | point >> 12), byte(0x80 | (point >> 6 & 0x3F)), byte(0x80 | (point & 0x3F))};
  }
  return {byte(0xF0 | point >> 18), byte(0x80 | (point >> 12 & 0x3F)), byte(0x80 | (point >> 6 & 0x3F)),
          byte(0x80 | (point & 0x3F))};
}

// The decoder of the Encoding Standard, section 8.1.1, word for word: what each browser does to a stream.
std::string decoded_as_browsers_do(std::string_view bytes) {
  std::string out;
  std::uint32_t point = 0;
  unsigned seen = 0, needed = 0, lower = 0x80, upper = 0xBF;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    const auto byte = static_cast<unsigned char>(bytes[at]);
    if (needed == 0) {
      if (byte <= 0x7F) {
        out += bytes[at];
      } else if (byte >= 0xC2 && byte <= 0xDF) {
        needed = 1;
        point = byte & 0x1F;
      } else if (byte >= 0xE0 && byte <= 0xEF) {
        if (byte == 0xE0) lower = 0xA0;
        if (byte == 0xED) upper = 0x9F;
        needed = 2;
        point = byte & 0xF;
      } else if (byte >= 0xF0 && byte <= 0xF4) {
        if (byte == 0xF0) lower = 0x90;
        if (byte == 0xF4) upper = 0x8F;
        needed = 3;
        point = byte & 0x7;
      } else {
        out += "\uFFFD";
      }
      continue;
    }
    if (byte < lower || byte > upper) {
      point = needed = seen = 0;
      lower = 0x80;
      upper = 0xBF;
      out += "\uFFFD";
      --at;  // this byte begins anew
      continue;
    }
    lower = 0x80;
    upper = 0xBF;
    point = point << 6 | (byte & 0x3F);
    if (++seen == needed) {
      out += encode(point);
      point = needed = seen = 0;
    }
  }
  if (needed != 0) out += "\uFFFD";
  return out;
}

}  // namespace

TEST_CASE("every code point but the surrogates is valid UTF-8 (WHATWG 9.2.5)", "[wire][utf8]") {
  std::uint32_t wrong = 0;
  for (std::uint32_t point = 0; point <= 0x10FFFF; ++point) {
    const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
    if (detail::valid_utf8(encode(point)) == surrogate) ++wrong;
  }
  CHECK(wrong == 0);
}

TEST_CASE("ill-formed UTF-8 becomes one U+FFFD for each maximal subpart (WHATWG 9.2.5)", "[wire][utf8]") {
  struct Case {
    std::string_view bytes, repaired;
  };
  // The first four are tables 3-8 to 3-11 of the Unicode Standard, chapter 3.9.
  const Case table[] = {
      {"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA"},
      {"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA"},
      {"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA\uFFFD\uFFFDB"},
      {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", "\uFFFD\uFFFD\uFFFD\uFFFDA"},
      {"", ""},
      {"plain", "plain"},
      {"\0"sv, "\0"sv},
      {"\x80", "\uFFFD"},
      {"\xFE\xFF", "\uFFFD\uFFFD"},
      {"caf\xC3", "caf\uFFFD"},
      {"caf\xC3\xA9", "café"},
      {"\xC3(", "\uFFFD("},
      {"\xF0\x9F\x98\x80", "😀"},
      {"\xF0\x9F\x98", "\uFFFD"},
      {"\xF0\x9F\x98 0123456789", "\uFFFD 0123456789"},
      {"01234567\xE2\x82", "01234567\uFFFD"},
      {"\xF8\x88\x80\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD"},
      {"\xEF\xBB\xBF", "\uFEFF"},
  };
  for (const Case& example : table) {
    CAPTURE(example.bytes);
    const test::Piece exact(example.bytes);
    CHECK(detail::repair_utf8(exact.view()) == example.repaired);
    CHECK(detail::valid_utf8(exact.view()) == (example.bytes == example.repaired));
  }
}

TEST_CASE("the valid prefix ends where the first ill-formed sequence begins (WHATWG 9.2.5)", "[wire][utf8]") {
  for (std::size_t length = 0; length < 40; ++length) {
    const test::Piece cut_off(std::string(length, 'a') + "\xE2\x82");
    const test::Piece wrong(std::string(length, 'a') + "\xFFtail");
    const test::Piece whole(std::string(length, 'a') + "\xE2\x82\xAC");
    CAPTURE(length);
    CHECK(detail::valid_utf8_prefix(cut_off.view()) == length);
    CHECK(detail::valid_utf8_prefix(wrong.view()) == length);
    CHECK(detail::valid_utf8_prefix(whole.view()) == length + 3);
  }
}

TEST_CASE("any four bytes are read as the Encoding Standard reads them (WHATWG 9.2.5)", "[wire][utf8]") {
  // Both ends of every range in which bytes behave alike.
  const std::vector<char> ends = {'\x00', '\x7F', '\x80', '\x8F', '\x90', '\x9F', '\xA0', '\xBF',
                                  '\xC0', '\xC1', '\xC2', '\xDF', '\xE0', '\xE1', '\xEC', '\xED',
                                  '\xEE', '\xEF', '\xF0', '\xF1', '\xF3', '\xF4', '\xF5', '\xFF'};
  std::size_t wrong = 0;
  std::string bytes(4, '\0');
  for (const char first : ends) {
    for (const char second : ends) {
      for (const char third : ends) {
        for (const char fourth : ends) {
          bytes = {first, second, third, fourth};
          const std::string expected = decoded_as_browsers_do(bytes);
          if (detail::repair_utf8(bytes) != expected || detail::valid_utf8(bytes) != (bytes == expected)) ++wrong;
        }
      }
    }
  }
  CHECK(wrong == 0);
}
