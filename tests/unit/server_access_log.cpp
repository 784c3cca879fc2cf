// Records of an access log as lines of JSON.
#include <chrono>
#include <string>

#include <spate/server/access_log.hpp>
#include "support/catch.hpp"

using namespace spate;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;

namespace {

AccessRecord some() {
  AccessRecord record;
  record.remote_address = "192.0.2.7";
  record.remote_port = 51000;
  record.protocol = "HTTP/1.1";
  record.method = "GET";
  record.target = "/sse/subscribe/ann?token=secret";
  record.route = "/sse/subscribe/{user}";
  record.user_agent = "curl/8.5.0";
  record.status = 200;
  record.body_bytes = 5120;
  record.complete = true;
  using std::chrono::sys_days;
  record.time = sys_days(std::chrono::year(2026) / 2 / 9) + 3h + 4min + 5s + 67ms;
  record.duration = 61'204'007us;
  return record;
}

}  // namespace

TEST_CASE("a record is one line of JSON", "[server][access_log]") {
  CHECK(to_json_line(some()) ==
        R"({"time":"2026-02-09T03:04:05.067Z","remote":"192.0.2.7","port":51000,"protocol":"HTTP/1.1",)"
        R"("method":"GET","target":"/sse/subscribe/ann?token=secret","route":"/sse/subscribe/{user}","status":200,)"
        R"("bytes":5120,"complete":true,"duration_ms":61204.007,"user_agent":"curl/8.5.0"})");
}

TEST_CASE("of a stream it says how that ended", "[server][access_log]") {
  AccessRecord record = some();
  record.stream_end = EndReason::write_timeout;
  record.events = 17;
  record.complete = false;
  CHECK_THAT(to_json_line(record), ContainsSubstring(R"("complete":false,)"));
  CHECK_THAT(to_json_line(record), ContainsSubstring(R"(,"end":"write_timeout","events":17})"));
}

TEST_CASE("no client can end the line, or make it something else", "[server][access_log]") {
  AccessRecord record = some();
  record.user_agent = "a\"b\\c\r\n{\"status\":1}\t\x01\xFF\x7F";
  record.target = "/\x80";
  const std::string line = to_json_line(record);
  for (const char c : line) CHECK(static_cast<unsigned char>(c) >= 0x20);
  CHECK_THAT(line, ContainsSubstring(R"("user_agent":"a\"b\\c\u000d\n{\"status\":1}\u0009\u0001)"
                                     "\xEF\xBF\xBD"
                                     R"(\u007f"})"));
  CHECK_THAT(line, ContainsSubstring("\"target\":\"/\xEF\xBF\xBD\""));

  // Controls beyond ASCII: NEL is a line end, CSI begins what a terminal obeys. No other character is changed.
  record.user_agent =
      "\xC2\x80\xC2\x85\xC2\x9B"
      "2J\xC2\x9F\xC2\xA0\xC3\x85\xC2";
  CHECK_THAT(to_json_line(record), ContainsSubstring(R"("user_agent":"\u0080\u0085\u009b2J\u009f)"
                                                     "\xC2\xA0\xC3\x85\xEF\xBF\xBD\"}"));
}

TEST_CASE("the query, in which there may be secrets, can be left out", "[server][access_log]") {
  CHECK_THAT(to_json_line(some(), LogQuery::omit), ContainsSubstring(R"("target":"/sse/subscribe/ann",)"));
  CHECK_THAT(to_json_line(some(), LogQuery::omit), !ContainsSubstring("secret"));
}
