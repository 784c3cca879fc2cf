#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include <spate/history/detail/cursor.hpp>
#include "support/catch.hpp"

using spate::detail::Cursor;
using spate::detail::format_event_id;

namespace {

constexpr auto newest = std::numeric_limits<std::uint64_t>::max();

/// What `text` asks for in the history `epoch`.
std::optional<std::uint64_t> parse_event_id(std::string_view epoch, std::string_view text) {
  return Cursor::parse(text).sequence_in(epoch);
}

}  // namespace

TEST_CASE("an event id is its epoch and its number, and reads back", "[history][cursor]") {
  CHECK(format_event_id("k3x", 0) == "k3x-0");
  CHECK(format_event_id("k3x", 42) == "k3x-42");
  CHECK(format_event_id("k3x", newest) == "k3x-18446744073709551615");
  for (const std::uint64_t sequence : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{10}, newest - 1, newest}) {
    CHECK(parse_event_id("k3x", format_event_id("k3x", sequence)) == sequence);
  }
}

TEST_CASE("text that no history gave out is no id", "[history][cursor]") {
  const std::string zeros(10'000, '0'), nines(10'000, '9'), epochs(10'000, 'k');
  for (const std::string& text : {
           std::string(),
           std::string("k3x"),
           std::string("k3x-"),
           std::string("-"),
           std::string("-1"),
           // Of another history, or of one whose epoch begins or ends like this one's.
           std::string("k3y-1"),
           std::string("k3-1"),
           std::string("k3xx-1"),
           std::string("xk3x-1"),
           std::string("K3X-1"),
           std::string("k3x1"),
           std::string("k3x_1"),
           // One number is written in one way only.
           std::string("k3x-01"),
           std::string("k3x-00"),
           std::string("k3x-+1"),
           std::string("k3x--1"),
           std::string("k3x- 1"),
           std::string("k3x-1 "),
           std::string(" k3x-1"),
           std::string("k3x-1x"),
           std::string("k3x-0x1"),
           std::string("k3x-1.0"),
           std::string("k3x-1e3"),
           std::string("k3x-1-2"),
           std::string("k3x-1\0", 6),
           std::string("k3x-\xC2\xB2"),
           std::string("k3x-\xFF"),
           // Too large by one, and by far.
           std::string("k3x-18446744073709551616"),
           std::string("k3x-99999999999999999999"),
           "k3x-" + nines,
           "k3x-" + zeros,
           "k3x-1" + zeros,
           epochs,
           epochs + "-1",
           std::string("earliest"),
           std::string("null"),
       }) {
    CAPTURE(text.substr(0, 60), text.size());
    CHECK(parse_event_id("k3x", text) == std::nullopt);
  }
}

TEST_CASE("an id is not read past its end", "[history][cursor]") {
  // The bytes after the view are digits: a reader that runs on would take them.
  const std::string digits = "k3x-123456";
  for (std::size_t size = 5; size <= digits.size(); ++size) {
    const std::string_view cut(digits.data(), size);
    CHECK(parse_event_id("k3x", cut) == std::stoull(std::string(cut.substr(4))));
  }
}

TEST_CASE("a cursor says what was asked for", "[history][cursor]") {
  CHECK(Cursor().kind() == Cursor::Kind::none);
  CHECK(Cursor::parse("").kind() == Cursor::Kind::none);
  CHECK_FALSE(Cursor::parse(""));
  CHECK(Cursor::parse("earliest").kind() == Cursor::Kind::earliest);
  CHECK(Cursor::parse("Earliest").kind() == Cursor::Kind::unknown);
  CHECK(Cursor::parse("k3x-7").kind() == Cursor::Kind::position);
  CHECK(Cursor::parse("k3x-07").kind() == Cursor::Kind::unknown);
  CHECK(Cursor::parse("k3x").kind() == Cursor::Kind::unknown);
  CHECK(Cursor::parse("k3x"));
}

TEST_CASE("a cursor of one history is none of another, and is what it was in its own", "[history][cursor]") {
  const Cursor cursor = Cursor::parse("before-7");
  CHECK(cursor.sequence_in("after") == std::nullopt);
  CHECK(cursor.sequence_in("before") == 7);
}

TEST_CASE("a cursor can be quoted, and costs no more than an id may", "[history][cursor]") {
  CHECK(Cursor::parse("").text().empty());
  for (const char* const text : {"earliest", "k3x-7", "k3x-07", "what?"}) CHECK(Cursor::parse(text).text() == text);
  const Cursor huge = Cursor::parse("k3x-" + std::string(10'000, '1'));
  CHECK(huge.kind() == Cursor::Kind::unknown);
  CHECK(huge.text().size() <= 128);
  CHECK(huge.text().find("10004") != std::string::npos);
}
