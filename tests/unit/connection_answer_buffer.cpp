#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include <spate/connection/detail/answer_buffer.hpp>
#include "support/catch.hpp"

using namespace spate;
using namespace spate::detail;
using Catch::Matchers::ContainsSubstring;

namespace {

std::string unsent(const AnswerBuffer& answers) {
  return {static_cast<const char*>(answers.unsent().data()), answers.unsent().size()};
}

std::string taken(AnswerBuffer& answers) {
  const std::string bytes = unsent(answers);
  answers.sent(bytes.size());
  return bytes;
}

// What is said about the connection: the field's value, empty when there is none.
std::string connection(AnswerBuffer& answers) {
  constexpr std::string_view name = "\r\nConnection: ";
  const std::string bytes = taken(answers);
  const std::size_t at = bytes.find(name);
  if (at == std::string::npos) return "";
  const std::size_t from = at + name.size();
  return bytes.substr(from, bytes.find('\r', from) - from);
}

}  // namespace

TEST_CASE("an answer leaves in as many pieces as the kernel takes", "[connection][answer]") {
  AnswerBuffer answers;
  CHECK(answers.empty());
  answers.begin(Request("GET", "/"));
  answers.put(Response::text(200, "hello"));
  const std::string whole = unsent(answers);
  CHECK(whole.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(whole.ends_with("\r\n\r\nhello"));
  for (std::size_t sent = 0; sent < whole.size(); ++sent) {
    REQUIRE_FALSE(answers.empty());
    REQUIRE(unsent(answers) == whole.substr(sent));
    answers.sent(1);
  }
  CHECK(answers.empty());
  CHECK_FALSE(answers.closes());

  // The next one begins with its own first byte.
  answers.put(Response::text(404, "no"));
  CHECK(unsent(answers).starts_with("HTTP/1.1 404 "));
}

TEST_CASE("the answer to a HEAD is that of a GET without the body", "[connection][answer]") {
  AnswerBuffer answers;
  answers.begin(Request("HEAD", "/"));
  CHECK(answers.head_only());
  answers.put(Response::text(200, "hello"));
  const std::string head = taken(answers);
  CHECK_THAT(head, ContainsSubstring("Content-Length: 5\r\n"));
  CHECK(head.ends_with("\r\n\r\n"));

  answers.begin(Request("GET", "/"));
  CHECK_FALSE(answers.head_only());
  answers.put(Response::text(200, "hello"));
  CHECK(taken(answers).ends_with("\r\n\r\nhello"));
}

TEST_CASE("the last answer says that it is the last", "[connection][answer]") {
  AnswerBuffer answers;
  answers.begin(Request("GET", "/"));
  answers.put(Response(204));
  CHECK(connection(answers).empty());
  SECTION("as the request asked for it") {
    answers.begin(Request("GET", "/").add_header("Connection", "close"));
    answers.put(Response(204));
  }
  SECTION("as the response asks for it") {
    answers.put(Response(204).close_connection());
  }
  SECTION("as the server will have it so") {
    answers.close_after();
    answers.put(Response(204));
  }
  SECTION("as nobody knows where the next request would begin") {
    answers.begin_refusal();
    answers.put(Response::error(400, "what?"));
  }
  CHECK(answers.closes());
  CHECK(connection(answers) == "close");

  // Whatever another request asks for.
  answers.begin(Request("GET", "/"));
  CHECK(answers.closes());
}

TEST_CASE("a head whose body nobody knows has no length (RFC 9110 8.6)", "[connection][answer]") {
  AnswerBuffer answers;
  Request request("HEAD", "/");
  SECTION("after HTTP/1.1, where the connection goes on") {
    answers.begin(request);
    answers.put_head(Response::json(200, {}));
    CHECK_FALSE(answers.closes());
    const std::string head = taken(answers);
    CHECK_THAT(head, ContainsSubstring("Content-Type: application/json\r\n"));
    CHECK_THAT(head, !ContainsSubstring("Content-Length"));
    CHECK(head.ends_with("\r\n\r\n"));
  }
  SECTION("but not after HTTP/1.0") {
    request.set_version(1, 0).add_header("Connection", "keep-alive");
    answers.begin(request);
    answers.put_head(Response::json(200, {}));
    CHECK(answers.closes());
    CHECK(connection(answers) == "close");
  }
}

TEST_CASE("the head of a stream that is not begun lets the connection go on", "[connection][answer]") {
  AnswerBuffer answers;
  Request request("HEAD", "/");
  SECTION("after HTTP/1.1") {
    answers.begin(request);
    answers.put_stream_head({{"Content-Type", "text/event-stream"}, {"X-More", "1"}}, Framing::chunked);
    CHECK_FALSE(answers.closes());
    const std::string head = taken(answers);
    CHECK_THAT(head, ContainsSubstring("Content-Type: text/event-stream\r\n"));
    CHECK_THAT(head, !ContainsSubstring("Connection:"));
    CHECK(head.ends_with("X-More: 1\r\n\r\n"));
  }
  SECTION("but not after HTTP/1.0, as its clients wait for the end of a stream") {
    request.set_version(1, 0);
    answers.begin(request);
    answers.put_stream_head({}, Framing::plain);
    CHECK(answers.closes());
    CHECK(connection(answers) == "close");
  }
}

TEST_CASE("what the kernel has taken is not kept for what it has not", "[connection][answer][pieces]") {
  AnswerBuffer answers;
  answers.begin(Request("GET", "/"));
  answers.put_head_of_pieces(Response(200));
  std::string expected = unsent(answers);
  // Never all of it is taken; and once in a while a client is slow.
  std::string got;
  std::size_t max_unsent = 0;
  for (int i = 0; i < 2000; ++i) {
    const std::string piece(1000 + static_cast<std::size_t>(i) * 7 % 9000, static_cast<char>('a' + i % 26));
    AnswerBuffer alone;
    alone.begin(Request("GET", "/"));
    alone.put_piece(piece);
    expected += unsent(alone);
    answers.put_piece(piece);
    const std::string bytes = unsent(answers);
    max_unsent = std::max(max_unsent, bytes.size());
    const std::size_t taken = i % 100 < 50 ? bytes.size() / 10 : bytes.size() - 1;
    got += bytes.substr(0, taken);
    answers.sent(taken);
    REQUIRE(answers.held() <= 5 * max_unsent + 64 * 1024);
    if (i % 100 == 99) {
      max_unsent = 0;
      REQUIRE(answers.held() <= 64 * 1024);
    }
  }
  got += taken(answers);
  CHECK((got == expected));
}
