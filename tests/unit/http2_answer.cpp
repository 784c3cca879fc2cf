// An answer of HTTP/2 until it is sent: a head, and what is left of its body.
#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include <spate/http/request.hpp>
#include <spate/http/response.hpp>
#include <spate/http2/detail/http2_answer.hpp>
#include "support/catch.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::detail;
using namespace spate::test;

namespace {

std::string_view unsent(const Http2Answer& answer) {
  return {static_cast<const char*>(answer.unsent().data()), answer.unsent().size()};
}

/// The fields of the head but for the date, of which it says only that there is one.
Texts fields_of(const Http2Answer& answer) {
  Texts texts;
  for (const auto& [name, value] : answer.fields) texts.push_back(name == "Date" ? name : name + ": " + value);
  return texts;
}

Request request_of(const std::string& method) {
  return Request(method, "/x");
}

}  // namespace

TEST_CASE("an answer has a head with its date and length, and a body that is sent as it is taken", "[http2][answer]") {
  Http2Answer answer;
  answer.begin(request_of("GET"));
  CHECK(answer.empty());
  answer.put(Response::text(201, "hello").header("X", "y"));
  CHECK_FALSE(answer.empty());
  CHECK(answer.status == 201);
  CHECK(fields_of(answer) == Texts{"Content-Type: text/plain; charset=utf-8", "X: y", "Date", "Content-Length: 5"});
  CHECK(answer.has_body());
  CHECK(unsent(answer) == "hello");
  answer.sent(0);
  answer.sent(2);
  CHECK(unsent(answer) == "llo");
  CHECK_FALSE(answer.is_sent());
  answer.sent(3);
  CHECK(unsent(answer).empty());
  CHECK(answer.is_sent());
}

TEST_CASE("a date that the program gives stays the only one", "[http2][answer]") {
  Http2Answer answer;
  answer.begin(request_of("GET"));
  answer.put(Response(200).header("date", "Thu, 01 Jan 1970 00:00:00 GMT"));
  CHECK(fields_of(answer) == Texts{"date: Thu, 01 Jan 1970 00:00:00 GMT", "Content-Length: 0"});
}

TEST_CASE("an answer without a body ends with its head", "[http2][answer]") {
  SECTION("as it is empty") {
    Http2Answer answer;
    answer.begin(request_of("GET"));
    answer.put(Response(200));
    CHECK(fields_of(answer) == Texts{"Date", "Content-Length: 0"});
    CHECK_FALSE(answer.has_body());
  }
  SECTION("as its status has none, nor a length") {
    Http2Answer answer;
    answer.begin(request_of("GET"));
    answer.put(Response(204));
    CHECK(fields_of(answer) == Texts{"Date"});
    CHECK_FALSE(answer.has_body());
  }
  SECTION("as HEAD asks for the head alone, with the length that GET would have") {
    Http2Answer answer;
    answer.begin(request_of("HEAD"));
    CHECK(answer.head_only());
    answer.put(Response::text(200, "hello"));
    CHECK(fields_of(answer) == Texts{"Content-Type: text/plain; charset=utf-8", "Date", "Content-Length: 5"});
    CHECK_FALSE(answer.has_body());
    CHECK(unsent(answer).empty());
  }
  SECTION("as a refusal of HEAD does") {
    Http2Answer answer;
    answer.set_head_only(true);
    answer.begin_refusal();
    answer.put(Response::error(431, "too large"));
    CHECK(answer.status == 431);
    CHECK_FALSE(answer.has_body());
  }
  SECTION("as a stream's head is put after HEAD") {
    Http2Answer answer;
    answer.begin(request_of("HEAD"));
    answer.put_stream_head({{"Content-Type", "text/event-stream"}}, Framing::plain);
    CHECK(answer.status == 200);
    CHECK(fields_of(answer) == Texts{"Content-Type: text/event-stream", "Date"});
    CHECK_FALSE(answer.has_body());
  }
  SECTION("as only a head is put") {
    Http2Answer answer;
    answer.begin(request_of("HEAD"));
    answer.put_head(Response(200).header("X", "y"));
    CHECK(fields_of(answer) == Texts{"X: y", "Date"});
    CHECK_FALSE(answer.has_body());
  }
}

TEST_CASE("pieces have no length, and are whole when the last one was put and sent", "[http2][answer][pieces]") {
  Http2Answer answer;
  answer.begin(request_of("GET"));
  answer.put_head_of_pieces(Response(200).header("X", "y"));
  CHECK(fields_of(answer) == Texts{"X: y", "Date"});
  CHECK(answer.has_body());
  answer.put_piece("abc");
  answer.sent(3);
  CHECK_FALSE(answer.is_sent());
  answer.put_piece("de");
  answer.sent(1);
  answer.put_piece("f");
  CHECK(unsent(answer) == "ef");
  answer.put_last_piece();
  CHECK_FALSE(answer.is_sent());
  answer.sent(2);
  CHECK(answer.is_sent());
  SECTION("after HEAD none is kept") {
    Http2Answer head;
    head.begin(request_of("HEAD"));
    head.put_head_of_pieces(Response(200));
    head.put_piece("abc");
    CHECK(unsent(head).empty());
    CHECK_FALSE(head.has_body());
  }
}

TEST_CASE("however a body is taken, all of it is offered in its order", "[http2][answer]") {
  std::string body;
  for (int i = 0; i < 3000; ++i) body += static_cast<char>('a' + i % 26);
  for (const std::size_t most : {std::size_t{1}, std::size_t{7}, std::size_t{1000}, std::size_t{1501}}) {
    CAPTURE(most);
    Http2Answer answer;
    answer.begin(request_of("GET"));
    answer.put_head_of_pieces(Response(200));
    std::string taken;
    std::size_t put = 0;
    while (put < body.size() || !unsent(answer).empty()) {
      // A little more is put than is taken, until all was.
      const std::size_t more = std::min(body.size() - put, most + 1);
      answer.put_piece(std::string_view(body).substr(put, more));
      put += more;
      const std::string_view now = unsent(answer).substr(0, most);
      taken += now;
      answer.sent(now.size());
    }
    CHECK(taken == body);
  }
}

TEST_CASE("an answer says whether its connection is to end with it", "[http2][answer]") {
  Http2Answer answer;
  answer.begin(request_of("GET"));
  // What the framing of HTTP/1 needs is nobody's wish here.
  answer.close_after();
  answer.put(Response(200));
  CHECK_FALSE(answer.closes());
  Http2Answer last;
  last.begin(request_of("GET"));
  last.put(Response(200).close_connection());
  CHECK(last.closes());
}
