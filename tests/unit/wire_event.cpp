#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include <spate/wire/detail/quote.hpp>
#include <spate/wire/event.hpp>
#include "support/catch.hpp"
#include "support/refusal.hpp"

using namespace spate;
using namespace std::chrono_literals;
using namespace std::string_view_literals;
using Catch::Matchers::ContainsSubstring;
using spate::test::refusal;

TEST_CASE("an event holds what it was built with", "[wire][event]") {
  const Event event = Event("hello").name("greeting").id("7").retry(3s).comment("hm");
  CHECK(event.data() == "hello");
  CHECK(event.name() == "greeting");
  CHECK(event.id() == "7");
  CHECK(event.retry() == 3000ms);
  CHECK(event.comment() == "hm");
}

TEST_CASE("an absent field differs from an empty one (WHATWG 9.2.6)", "[wire][event]") {
  CHECK(Event().data() == std::nullopt);
  CHECK(Event("").data() == "");
  CHECK(Event().id() == std::nullopt);
  CHECK(Event().id("").id() == "");
  CHECK(Event().retry() == std::nullopt);
  CHECK(Event().comment() == std::nullopt);
  CHECK(Event().comment("").comment() == "");
}

TEST_CASE("the builder works on a named event and on a temporary alike", "[wire][event]") {
  Event named("x");
  named.name("n").id("1").retry(1ms).comment("c");
  CHECK(named == Event("x").name("n").id("1").retry(1ms).comment("c"));
  named.name("");
  CHECK(named.name().empty());
}

TEST_CASE("CR and CRLF in data and comment become LF when the event is built (WHATWG 9.2.5, 9.2.6)", "[wire][event]") {
  struct Case {
    std::string_view text, normalised;
  };
  const Case table[] = {
      {"a\nb", "a\nb"},     {"a\rb", "a\nb"},         {"a\r\nb", "a\nb"},     {"a\n\rb", "a\n\nb"},
      {"a\r\rb", "a\n\nb"}, {"a\r\n\r\nb", "a\n\nb"}, {"a\r", "a\n"},         {"a\r\n", "a\n"},
      {"\r", "\n"},         {"\r\n", "\n"},           {"\r\r\n\n", "\n\n\n"}, {"", ""},
  };
  for (const Case& example : table) {
    CAPTURE(example.text);
    CHECK(Event(example.text).data() == example.normalised);
    CHECK(Event().comment(example.text).comment() == example.normalised);
    CHECK(Event::repaired(example.text).data() == example.normalised);
  }
}

TEST_CASE("a line end in a name is refused (WHATWG 9.2.5)", "[wire][event]") {
  for (const auto name : {"a\rb"sv, "a\nb"sv, "\n"sv, "a\r"sv, "x\ndata: forged"sv}) {
    CAPTURE(name);
    CHECK_THROWS_AS(Event("x").name(name), std::invalid_argument);
  }
  CHECK(refusal([] { (void)Event("x").name("a\nb"); }) == R"(spate::Event: name must not contain a line end: "a\nb")");
}

TEST_CASE("a line end or NUL in an id is refused (WHATWG 9.2.5, 9.2.6)", "[wire][event]") {
  for (const auto id : {"a\rb"sv, "a\nb"sv, "\0"sv, "a\0b"sv, "1\n\ndata: forged"sv}) {
    CAPTURE(id);
    CHECK_THROWS_AS(Event("x").id(id), std::invalid_argument);
  }
  CHECK(refusal([] { (void)Event("x").id("a\0b"sv); }) ==
        R"(spate::Event: id must not contain a line end or NUL: "a\x00b")");
}

TEST_CASE("NUL is legal in data, name and comment (WHATWG 9.2.5)", "[wire][event]") {
  const Event event = Event("a\0b"sv).name("c\0d"sv).comment("e\0f"sv);
  CHECK(event.data() == "a\0b"sv);
  CHECK(event.name() == "c\0d"sv);
  CHECK(event.comment() == "e\0f"sv);
}

TEST_CASE("invalid UTF-8 is refused in every field, with the place (WHATWG 9.2.5)", "[wire][event]") {
  CHECK(refusal([] { (void)Event("abc\xFF"); }) == R"(spate::Event: data is not valid UTF-8 at byte 3: "abc\xff")");
  CHECK_THAT(refusal([] { (void)Event("").name("\xC3("); }), ContainsSubstring("name is not valid UTF-8 at byte 0"));
  CHECK_THAT(refusal([] { (void)Event("").id("1\x80"); }), ContainsSubstring("id is not valid UTF-8 at byte 1"));
  CHECK_THAT(refusal([] { (void)Event("").comment("\xED\xA0\x80"); }), ContainsSubstring("comment is not valid UTF-8"));
}

TEST_CASE("repaired data are what a browser would have made of them (WHATWG 9.2.5)", "[wire][event]") {
  CHECK(Event::repaired("a\xFF\xE2\x82").data() == "a\uFFFD\uFFFD");
  CHECK(Event::repaired("a\xE2\r\x82").data() == "a\uFFFD\n\uFFFD");
}

TEST_CASE("a refused change leaves the event as it was", "[wire][event]") {
  Event event = Event("x").name("n").id("1").retry(1s).comment("c");
  const Event before = event;
  CHECK_THROWS_AS(event.name("\n"), std::invalid_argument);
  CHECK_THROWS_AS(event.id("\xFF"), std::invalid_argument);
  CHECK_THROWS_AS(event.retry(-1ms), std::invalid_argument);
  CHECK_THROWS_AS(event.comment("\xFF"), std::invalid_argument);
  CHECK(event == before);
}

TEST_CASE("the reconnection time is 0 ms to a day (WHATWG 9.2.6)", "[wire][event]") {
  CHECK(Event().retry(0ms).retry() == 0ms);
  CHECK(Event().retry(24h).retry() == 86'400'000ms);
  CHECK_THROWS_AS(Event().retry(-1ms), std::invalid_argument);
  CHECK(refusal([] { (void)Event().retry(24h + 1ms); }) ==
        "spate::Event: retry must be 0 to 86400000 ms, not 86400001");
}

TEST_CASE("an error quotes what offended, escaped and bounded", "[wire][quote]") {
  CHECK(detail::quote("") == R"("")");
  CHECK(detail::quote("it's \"so\" \\") == R"("it's \"so\" \\")");
  CHECK(detail::quote("\t\x7F\r\n\xC3\xA9") == R"("\x09\x7f\r\n\xc3\xa9")");
  CHECK(detail::quote(std::string(80, 'x')) == '"' + std::string(80, 'x') + '"');
  CHECK(detail::quote(std::string(81, 'x')) == '"' + std::string(80, 'x') + "\"...");
}

TEST_CASE("an event says whether it is kept, and for how long", "[wire][event]") {
  CHECK(Event("x").kept());
  CHECK(Event("x").kept_for() == 0ms);
  CHECK_FALSE(Event("x").keep(false).kept());
  CHECK(Event("x").keep(false).keep(true).kept());
  CHECK(Event("x").keep_for(1ms).kept_for() == 1ms);
  CHECK(Event("x").keep_for(Event::max_keep_for).kept_for() == Event::max_keep_for);
  for (const std::chrono::milliseconds time : {0ms, -1ms, Event::max_keep_for + 1ms}) {
    CHECK_THROWS_AS(Event("x").keep_for(time), std::invalid_argument);
  }
  CHECK_FALSE(Event("x") == Event("x").keep(false));
  CHECK_FALSE(Event("x") == Event("x").keep_for(1s));
}
