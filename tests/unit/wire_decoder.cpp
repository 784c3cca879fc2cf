#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <spate/wire/decoder.hpp>
#include "support/catch.hpp"
#include "support/decoded.hpp"
#include "support/pieces.hpp"

using namespace spate;
using namespace std::chrono_literals;
using namespace std::string_view_literals;
using test::decode;
using Strings = std::vector<std::string>;

namespace {

struct Case {
  std::string_view about;
  std::string_view stream;
  Strings data;
};

void check_in_every_cut(const std::vector<Case>& table) {
  for (const Case& example : table) {
    CAPTURE(example.about);
    const test::Decoded whole = decode(example.stream);
    CHECK(whole.data() == example.data);
    bool same = true;
    test::for_each_cut(example.stream, [&](const test::Pieces& pieces) { same = same && decode(pieces) == whole; });
    CHECK(same);
  }
}

}  // namespace

TEST_CASE("the streams of the web platform's tests give the events that they ask for", "[wire][decoder][wpt]") {
  const std::string x2048(2048, 'x');
  const std::string comments =
      std::string("data:1\r:\0\n:\r\ndata:2\n:"sv) + x2048 + "\r\ndata:3\n:data:fail\r:" + x2048 + "\ndata:4\n\n";
  check_in_every_cut({
      {"format-bom (WHATWG 9.2.6)",
       "\xEF\xBB\xBF"
       "data:1\n\n\xEF\xBB\xBF"
       "data:2\n\ndata:3\n\n",
       {"1", "3"}},
      {"format-bom-2 (WHATWG 9.2.6)",
       "\xEF\xBB\xBF\xEF\xBB\xBF"
       "data:1\n\ndata:2\n\ndata:3\n\n",
       {"2", "3"}},
      {"format-comments (WHATWG 9.2.7)", comments, {"1\n2\n3\n4"}},
      {"format-data-before-final-empty-line (WHATWG 9.2.6)",
       "retry:1000\ndata:test1\n\nid:test\ndata:test2\n",
       {"test1"}},
      {"format-field-data (WHATWG 9.2.6)", "data:\n\ndata\ndata\n\ndata:test\n\n", {"", "\n", "test"}},
      {"format-field-parsing (WHATWG 9.2.6, 9.2.5)",
       "data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n"sv,
       {std::string("\0\n 2\n1\n3\n\n4", 11)}},
      {"format-field-unknown (WHATWG 9.2.6)",
       "data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\ndata:test\n\n",
       {"test\n\ntest"}},
      {"format-leading-space (WHATWG 9.2.6)", "data:\ttest\rdata: \ndata:test\n\n", {"\ttest\n\ntest"}},
      {"format-newlines (WHATWG 9.2.5)", "data:test\r\ndata\ndata:test\r\n\r\n", {"test\n\ntest"}},
      {"format-null-character (WHATWG 9.2.5)", "data:\0\n\n\n\n"sv, {std::string(1, '\0')}},
      {"format-utf-8 (WHATWG 9.2.5)", "data:ok\xE2\x80\xA6\n\n", {"ok…"}},
      {"format-field-retry-empty (WHATWG 9.2.6)", "retry\ndata:test\n\n", {"test"}},
  });
}

TEST_CASE("line ends of each kind are taken, alone and mixed (WHATWG 9.2.5)", "[wire][decoder]") {
  check_in_every_cut({
      {"LF", "data:a\ndata:b\n\n", {"a\nb"}},
      {"CR", "data:a\rdata:b\r\r", {"a\nb"}},
      {"CRLF", "data:a\r\ndata:b\r\n\r\n", {"a\nb"}},
      {"LF CR are two", "data:a\n\rdata:b\n\n", {"a", "b"}},
      {"CR CR LF are two", "data:a\r\r\ndata:b\n\n", {"a", "b"}},
      {"an LF after a blank CR line is part of it", "data:a\n\r\ndata:b\n\n", {"a", "b"}},
      {"blank lines without a block", "\n\r\r\n\n", {}},
      {"CRs only", "data:a\r\r\r\r\rdata:b\r\r", {"a", "b"}},
  });
}

TEST_CASE("a CR ends the event at once, without waiting for an LF (WHATWG 9.2.5)", "[wire][decoder]") {
  EventDecoder decoder;
  int events = 0;
  const auto count = [&](const DecodedEvent&) { ++events; };
  decoder.feed("data:a\r\r", count);
  CHECK(events == 1);
  decoder.feed("\n", count);
  decoder.feed("data:b\n\n", count);
  CHECK(events == 2);
}

TEST_CASE("an event names itself, or is a message (WHATWG 9.2.6)", "[wire][decoder]") {
  const auto names = [](std::string_view stream) {
    Strings all;
    for (const DecodedEvent& event : decode(stream).events) all.push_back(event.name);
    return all;
  };
  CHECK(names("event:test\ndata:x\n\ndata:x\n\n") == Strings{"test", "message"});
  CHECK(names("event: \ndata:x\n\n") == Strings{"message"});
  CHECK(names("event\ndata:x\n\n") == Strings{"message"});
  CHECK(names("event:a\nevent:b\ndata:x\n\n") == Strings{"b"});
  CHECK(names("event:a\nevent:\ndata:x\n\n") == Strings{"message"});
  CHECK(names("event:  a \ndata:x\n\n") == Strings{" a "});
  CHECK(names("Event:a\nEVENT:b\ndata:x\n\n") == Strings{"message"});
  // WHATWG 9.2.6: a block without data is dropped and its name with it.
  CHECK(names("event:a\n\ndata:x\n\n") == Strings{"message"});
}

TEST_CASE("the id persists until changed, and an empty one resets it (WHATWG 9.2.6)", "[wire][decoder]") {
  const auto ids = [](std::string_view stream) {
    Strings all;
    for (const DecodedEvent& event : decode(stream).events) all.push_back(event.last_event_id);
    return all;
  };
  CHECK(ids("id: 1\ndata: 1\n\ndata:2\n\n") == Strings{"1", "1"});
  CHECK(ids("id: 1\ndata: 1\n\nid: 2\ndata:2\n\ndata:3\n\n") == Strings{"1", "2", "2"});
  CHECK(ids("id: 1\ndata: 1\n\nid:\ndata:2\n\ndata:3\n\n") == Strings{"1", "", ""});
  CHECK(ids("id: 1\ndata: 1\n\nid\ndata:2\n\n") == Strings{"1", ""});
  CHECK(ids("id: …\ndata: x\n\n") == Strings{"…"});
}

TEST_CASE("an event tells whether it brought an id of its own (WHATWG 9.2.6)", "[wire][decoder]") {
  const auto events = decode("id:1\ndata:a\n\ndata:b\n\nid\ndata:c\n\n").events;
  REQUIRE(events.size() == 3);
  CHECK(events[0].id == "1");
  CHECK(events[1].id == std::nullopt);
  CHECK(events[2].id == "");
}

TEST_CASE("an id that contains NUL is ignored (WHATWG 9.2.6)", "[wire][decoder]") {
  CHECK(decode("id:1\ndata:a\n\nid:2\0\ndata:b\n\n"sv).last_event_id == "1");
  CHECK(decode("id:\0\0\ndata:b\n\n"sv).events.at(0).id == std::nullopt);
  // It does not undo the good one before it.
  CHECK(decode("id:1\nid:\0002\ndata:a\n\n"sv).last_event_id == "1");
}

TEST_CASE("an id counts without data, and only with the blank line (WHATWG 9.2.6)", "[wire][decoder]") {
  CHECK(decode("id:7\n").last_event_id.empty());
  CHECK(decode("id:7\n\n").last_event_id == "7");
  CHECK(decode("id:7\n\n").events.empty());
  CHECK(decode("id:7\n\ndata:x\n\n").events.at(0).last_event_id == "7");
  CHECK(decode("id:7\n\ndata:x\n\n").events.at(0).id == std::nullopt);
  CHECK(decode("data:a\n\nid:test\ndata:b\n").last_event_id.empty());
}

TEST_CASE("a reconnection time is digits and nothing else (WHATWG 9.2.6)", "[wire][decoder]") {
  struct Retry {
    std::string_view value;
    std::optional<std::chrono::milliseconds> time;
  };
  const Retry table[] = {
      {"0", 0ms},
      {"2000", 2000ms},
      {"03000", 3000ms},
      {"0000000000000000000000000000000000001", 1ms},
      {"", std::nullopt},
      {"1000x", std::nullopt},
      {"x1000", std::nullopt},
      {"+1", std::nullopt},
      {"-1", std::nullopt},
      {"1.5", std::nullopt},
      {"1e3", std::nullopt},
      {"0x10", std::nullopt},
      {" 1", std::nullopt},
      {"1 ", std::nullopt},
      {"\xD9\xA1", std::nullopt},
      {"2147483647", EventDecoder::max_retry},
      {"2147483648", EventDecoder::max_retry},
      {"18446744073709551616", EventDecoder::max_retry},
      {"170141183460469231731687303715884105727", EventDecoder::max_retry},
      {"99999999999999999999x", std::nullopt},
  };
  for (const Retry& example : table) {
    const std::string stream = "retry: " + std::string(example.value) + "\ndata:x\n\n";
    CAPTURE(example.value);
    CHECK(decode(stream).reconnection_time == example.time);
    CHECK(decode(stream).events.at(0).retry == example.time);
  }
}

TEST_CASE("a reconnection time counts at once and stays (WHATWG 9.2.6)", "[wire][decoder]") {
  CHECK(decode("retry:2000\n").reconnection_time == 2000ms);
  CHECK(decode("retry:2000\nretry:1000x\ndata:x\n\n").reconnection_time == 2000ms);
  CHECK(decode("retry:2000\n\ndata:x\n\n").reconnection_time == 2000ms);
  CHECK(decode("retry:2000\n\ndata:x\n\n").events.at(0).retry == std::nullopt);
}

TEST_CASE("comments are told apart from events (WHATWG 9.2.7)", "[wire][decoder]") {
  const test::Decoded decoded = decode(": ping\n:\n:no space\n:  two\ndata:x\n: within\n\n");
  CHECK(decoded.comments == Strings{"ping", "", "no space", " two", "within"});
  CHECK(decoded.data() == Strings{"x"});
}

TEST_CASE("ill-formed UTF-8 becomes U+FFFD in every field, wherever the stream is cut (WHATWG 9.2.5)",
          "[wire][decoder]") {
  check_in_every_cut({
      {"maximal subparts", "data:\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41\n\n", {"\uFFFD\uFFFD\uFFFD\uFFFDA"}},
      {"cut off by a line end", "data:caf\xC3\ndata:\xA9\n\n", {"caf\uFFFD\n\uFFFD"}},
      {"overlong line end",
       "data:a\xC0\x8A"
       "b\n\n",
       {"a\uFFFD\uFFFDb"}},
      {"in a field name", "da\xFFta:a\ndata:b\n\n", {"b"}},
      {"a whole character", "data:\xF0\x9F\x98\x80\n\n", {"😀"}},
      {"half a BOM",
       "\xEF\xBB"
       "data:a\n\ndata:b\n\n",
       {"b"}},
      {"a BOM alone", "\xEF\xBB\xBF\n\ndata:b\n\n", {"b"}},
      {"a BOM in data", "data:\xEF\xBB\xBFx\n\n", {"\uFEFFx"}},
  });
  const test::Decoded decoded = decode("id:\xFF\nevent:\xC3\n:\x80\ndata:x\n\n");
  CHECK(decoded.events.at(0).name == "\uFFFD");
  CHECK(decoded.last_event_id == "\uFFFD");
  CHECK(decoded.comments == Strings{"\uFFFD"});
}

TEST_CASE("an event without end is refused at the limit, however it comes", "[wire][decoder][limits]") {
  const DecoderOptions options{.max_event_bytes = 20};
  const auto too_long = std::make_error_code(std::errc::message_size);
  struct Limit {
    std::string_view stream;
    std::error_code error;
  };
  const Limit table[] = {
      {"data:456789012345678\n\n", {}},                 // a line of exactly twenty bytes
      {"data:4567890123456789\n\n", too_long},          // one more
      {"data:4567890123456789", too_long},              // that never ends
      {":23456789012345678901\n", too_long},            // a comment as well
      {"data:01234\ndata:012345678\n\n", {}},           // five gathered and a line of fourteen
      {"data:01234\ndata:0123456789ab\n\n", too_long},  // five gathered and one of seventeen
      {"data:0123456789\n\ndata:0123456789\n\n", {}},   // each event has its own
  };
  for (const Limit& example : table) {
    CAPTURE(example.stream);
    const test::Decoded whole = decode(example.stream, options);
    CHECK(whole.error == example.error);
    bool same = true;
    test::for_each_cut(example.stream,
                       [&](const test::Pieces& pieces) { same = same && decode(pieces, options) == whole; });
    CHECK(same);
  }
}

TEST_CASE("after a refusal nothing is decoded until the decoder restarts", "[wire][decoder][limits]") {
  EventDecoder decoder({.max_event_bytes = 10});
  Strings data;
  const auto sink = [&](const DecodedEvent& event) { data.push_back(event.data); };
  CHECK_FALSE(decoder.feed("id:1\ndata:a\n\n", sink));
  CHECK(decoder.feed("data:0123456789", sink) == std::errc::message_size);
  CHECK(decoder.feed("\n\ndata:b\n\n", sink) == std::errc::message_size);
  decoder.restart();
  CHECK_FALSE(decoder.feed("data:c\n\n", sink));
  CHECK(data == Strings{"a", "c"});
}

TEST_CASE("a restart forgets the unfinished event and keeps id and reconnection time", "[wire][decoder]") {
  EventDecoder decoder;
  std::vector<DecodedEvent> events;
  const auto sink = [&](const DecodedEvent& event) { events.push_back(event); };
  decoder.feed("id:1\nretry:5\ndata:a\n\nid:2\nevent:n\ndata:lost\nda", sink);
  decoder.restart();
  // A stream begins: a BOM is one again. (WHATWG 9.2.6)
  decoder.feed(
      "\xEF\xBB\xBF"
      "data:b\n\n",
      sink);
  REQUIRE(events.size() == 2);
  CHECK(events[1].data == "b");
  CHECK(events[1].name == "message");
  CHECK(events[1].last_event_id == "1");
  CHECK(decoder.last_event_id() == "1");
  CHECK(decoder.reconnection_time() == 5ms);
}

TEST_CASE("a restart between CR and LF takes the LF as a line of the new stream (WHATWG 9.2.6, 9.2.5)",
          "[wire][decoder]") {
  EventDecoder decoder;
  Strings data;
  const auto sink = [&](const DecodedEvent& event) { data.push_back(event.data); };
  decoder.feed("data:a\r\r", sink);
  decoder.restart();
  // Behind that line a BOM is no longer at the beginning of the stream.
  decoder.feed(
      "\n\xEF\xBB\xBF"
      "data:b\n\ndata:c\n\n",
      sink);
  CHECK(data == Strings{"a", "c"});
}

TEST_CASE("a sink that throws loses no more than the rest of its piece", "[wire][decoder]") {
  EventDecoder decoder;
  CHECK_THROWS_AS(
      decoder.feed("id:1\ndata:a\n\ndata:b\n\n", [](const DecodedEvent&) { throw std::runtime_error("no"); }),
      std::runtime_error);
  Strings data;
  decoder.feed("data:c\n\n", [&](const DecodedEvent& event) { data.push_back(event.data); });
  CHECK(data == Strings{"c"});
  CHECK(decoder.last_event_id() == "1");
}
