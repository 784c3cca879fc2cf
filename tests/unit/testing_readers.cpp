// The readers of a client in memory: answers in HTTP/1, however they are cut, and the formats of the fallbacks.
#include <optional>
#include <string>
#include <string_view>

#include <spate/stream/detail/fallback_format.hpp>
#include <spate/testing/catch_matchers.hpp>
#include <spate/testing/detail/answer_reader.hpp>
#include <spate/testing/detail/fallback_reader.hpp>
#include <spate/wire/encoded_event.hpp>

#include "support/catch.hpp"

using namespace spate;
using namespace spate::detail;
using spate::testing::ReceivedExactly;

namespace {

/// The answer in `bytes`, cut in two at `at`.
AnswerReader read(std::string_view bytes, std::size_t at, std::string_view method = "GET") {
  AnswerReader reader(method);
  std::string body = reader.take(bytes.substr(0, at));
  body += reader.take(bytes.substr(at));
  CHECK(body == reader.answer().body);
  return reader;
}

}  // namespace

TEST_CASE("an answer is read wherever it is cut", "[testing][reader]") {
  constexpr std::string_view counted = "HTTP/1.1 201 Created\r\nX-A:b\r\nContent-Length: 5\r\n\r\nhello";
  for (std::size_t at = 0; at <= counted.size(); ++at) {
    const AnswerReader reader = read(counted, at);
    CHECK(reader.is_whole());
    CHECK(reader.answer().status == 201);
    CHECK(reader.answer().header("x-a") == "b");
    CHECK(reader.answer().body == "hello");
  }
  constexpr std::string_view chunked =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\nA\r\nlo chunks!\r\n0\r\n\r\n";
  for (std::size_t at = 0; at <= chunked.size(); ++at) {
    const AnswerReader reader = read(chunked, at);
    CHECK(reader.is_whole());
    CHECK(reader.answer().body == "hello chunks!");
  }
}

TEST_CASE("an answer ends where its framing says", "[testing][reader]") {
  CHECK(read("HTTP/1.1 204 No Content\r\n\r\n", 0).is_whole());
  CHECK(read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 0, "HEAD").is_whole());
  CHECK(read("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 30).is_whole());
  AnswerReader until_end = read("HTTP/1.0 200 OK\r\n\r\nhello", 5);
  CHECK_FALSE(until_end.is_whole());
  until_end.end();
  CHECK(until_end.is_whole());
}

TEST_CASE("what is no answer, or only a part of one, is told", "[testing][reader]") {
  for (const std::string_view part : {"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
                                      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"}) {
    AnswerReader reader = read(part, 0);
    CHECK_FALSE(reader.is_broken());
    reader.end();
    CHECK(reader.is_broken());
  }
  for (const std::string_view wrong :
       {"SPDY/1.1 200 OK\r\n\r\n", "HTTP/1.1 abc OK\r\n\r\n", "HTTP/\r\n\r\n", "\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n"}) {
    CAPTURE(wrong);
    CHECK(read(wrong, 0).is_broken());
  }
}

TEST_CASE("the answer to a poll is read as it was written", "[testing][reader]") {
  const std::string text = "a \"quote\" \\ \n\r\t\x01 <b> \xE2\x80\xA8 \xF0\x9F\x98\x80";
  const auto poll =
      read_poll(R"({"events":[{"id":"7","event":"note","data":"a \"quote\" \\ \n\u000d\u0009\u0001 \u003cb> \u2028 )"
                "\xF0\x9F\x98\x80"
                R"("},{"event":"message","data":"","retry":2000}],"last_event_id":"9"})",
                "3");
  REQUIRE(poll);
  CHECK_THAT(poll->events, ReceivedExactly(Event().name("note").id("7"), Event("").retry(std::chrono::seconds(2))));
  CHECK(poll->events[0].data == text);
  CHECK(poll->events[1].last_event_id == "7");
  CHECK(poll->last_event_id == "9");
  CHECK(read_poll(R"({"events":[],"last_event_id":""})", "3")->events.empty());
  CHECK(read_poll(R"({"events":[{"event":"a","data":"b"}],"last_event_id":"3"})", "3")->events[0].last_event_id == "3");
}

TEST_CASE("what is no answer to a poll is not taken for one", "[testing][reader]") {
  const std::string good = R"({"events":[{"id":"7","event":"note","data":"\u0041\n"}],"last_event_id":"9"})";
  CHECK(read_poll(good, ""));
  for (std::size_t size = 0; size < good.size(); ++size) CHECK_FALSE(read_poll(good.substr(0, size), ""));
  CHECK_FALSE(read_poll(good + " ", ""));
  CHECK_FALSE(read_poll(R"({"events":[{"event":"a","data":"\x"}],"last_event_id":""})", ""));
  CHECK_FALSE(read_poll(R"({"events":[{"event":"a","data":"\u00g0"}],"last_event_id":""})", ""));
  CHECK_FALSE(read_poll(R"({"events":[{"event":"a","data":"b","retry":x}],"last_event_id":""})", ""));
}

TEST_CASE("the page of a frame is read wherever it is cut", "[testing][reader]") {
  const std::string page = iframe_prologue() + iframe_script(EncodedEvent(Event("</script>").name("x").id("1")), "f") +
                           "<!---->\n" + iframe_script(EncodedEvent(Event("two\nlines")), "f");
  for (std::size_t at = page.find("<script>"); at <= page.size(); ++at) {
    FrameReader reader;
    FrameReader::Read read = reader.take(std::string_view(page).substr(0, at));
    FrameReader::Read rest = reader.take(std::string_view(page).substr(at));
    read.events.insert(read.events.end(), rest.events.begin(), rest.events.end());
    CHECK_THAT(read.events, ReceivedExactly(Event("</script>").name("x").id("1"), Event("two\nlines")));
    CHECK(read.heartbeats + rest.heartbeats == 1);
    CHECK(reader.last_event_id() == "1");
  }
}
