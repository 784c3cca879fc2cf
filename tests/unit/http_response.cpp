#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/http/detail/date.hpp>
#include <spate/http/response.hpp>
#include "support/catch.hpp"
#include "support/refusal.hpp"

using namespace spate;
using namespace std::string_literals;
using Catch::Matchers::ContainsSubstring;
using spate::test::refusal;

namespace {

// The head with its date, which is not the same twice, taken for the text "now".
std::string head(const Response& response, const HeadContext& context = {}) {
  std::string text = "before|";
  serialize_head(text, response, context);
  REQUIRE(text.starts_with("before|"));
  text.erase(0, 7);
  const std::size_t at = text.find("\r\nDate: ");
  if (at != std::string::npos) {
    CHECK(text.substr(at + 8 + 29, 2) == "\r\n");
    CHECK(text.substr(at + 8 + 25, 4) == " GMT");
    text.replace(at + 8, 29, "now");
  }
  return text;
}

constexpr HeadContext http_1_0 = {.http_minor_version = 0};

}  // namespace

TEST_CASE("a response holds what it was built with", "[http][response]") {
  const Response response =
      Response(201).header("Location", "/7").content_type("text/csv").body("a,b").close_connection();
  CHECK(response.status() == 201);
  CHECK(response.header("location") == "/7");
  CHECK(response.content_type() == "text/csv");
  CHECK(response.body() == "a,b");
  CHECK(response.closes());
  CHECK_FALSE(Response().closes());
  CHECK(Response().status() == 200);
  CHECK(Response().header("x").empty());

  Response named(200);
  named.header("A", "1").add_header("A", "2").content_type("b").body("c").close_connection();
  CHECK(named.headers().size() == 3);
}

TEST_CASE("the factories name their type", "[http][response]") {
  CHECK(Response::text(200, "x").content_type() == "text/plain; charset=utf-8");
  CHECK(Response::html(200, "x").content_type() == "text/html; charset=utf-8");
  CHECK(Response::json(202, "{}").content_type() == "application/json");
  CHECK(Response::json(202, "{}").body() == "{}");
  CHECK(Response::json(202, "{}").header("Cache-Control") == "no-store");
  CHECK(Response::json(202, "{}").header("cache-control", "max-age=1").header("Cache-Control") == "max-age=1");
  CHECK(Response::text(200, "x").header("Cache-Control").empty());
}

TEST_CASE("an error is JSON whatever its message holds", "[http][response]") {
  const Response response = Response::error(404, "no \"such\"\n</script>\xFF");
  CHECK(response.status() == 404);
  CHECK(response.body() == R"({"error":"no \"such\"\n\u003c/script>)"s + "\xEF\xBF\xBD\"}");
  CHECK(response.content_type() == "application/json");
  CHECK(response.header("Cache-Control") == "no-store");
}

TEST_CASE("header replaces, add_header adds", "[http][response]") {
  const Response response =
      Response(200).add_header("Set-Cookie", "a=1").add_header("Set-Cookie", "b=2").header("X", "1").header("x", " 2 ");
  const std::vector<Response::Field> expected = {{"Set-Cookie", "a=1"}, {"Set-Cookie", "b=2"}, {"x", "2"}};
  CHECK(response.headers() == expected);
}

TEST_CASE("what would break the message is refused and quoted", "[http][response]") {
  CHECK_THAT(refusal([] { Response(99); }), ContainsSubstring("99"));
  CHECK_THAT(refusal([] { Response(600); }), ContainsSubstring("600"));
  for (const std::string& value : {"a\r\nB: c"s, "a\rb"s, "a\nb"s, "a\0b"s, "\x01"s, "\x7F"s}) {
    CHECK_THAT(refusal([&] { Response().header("A", value); }), ContainsSubstring("bad header field: \"A\""));
    CHECK_THAT(refusal([&] { Response().add_header("A", value); }), ContainsSubstring("bad header field: \"A\""));
    CHECK_THAT(refusal([&] { Response().content_type(value); }), ContainsSubstring("bad header field"));
  }
  for (const std::string& name : {""s, "A B"s, "A:"s, "A\r\n"s, "\xC3\xA4"s}) {
    CHECK_THAT(refusal([&] { Response().header(name, "a"); }), ContainsSubstring("bad header field"));
  }
  for (const char* name : {"connection", "Content-Length", "TRANSFER-ENCODING"}) {
    CHECK_THAT(refusal([&] { Response().header(name, "1"); }), ContainsSubstring("the server writes this field"));
    CHECK_THAT(refusal([&] { Response().add_header(name, "1"); }), ContainsSubstring("the server writes this field"));
  }
  CHECK(refusal([] { Response().header("A", "\xC3\xA4\t"); }) == "not refused");
}

TEST_CASE("a head has status, date, fields and length (RFC 9112 6.2; RFC 9110 6.6.1)", "[http][response]") {
  CHECK(head(Response::text(200, "hello")) ==
        "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n\r\n");
  CHECK(head(Response(404)) == "HTTP/1.1 404 Not Found\r\nDate: now\r\nContent-Length: 0\r\n\r\n");
  // The phrase may be empty, the space before it not. (RFC 9112 4)
  CHECK(head(Response(299)) == "HTTP/1.1 299 \r\nDate: now\r\nContent-Length: 0\r\n\r\n");
  std::string dated;
  serialize_head(dated, Response(200).header("Date", "mine"), {});
  CHECK(dated == "HTTP/1.1 200 OK\r\nDate: mine\r\nContent-Length: 0\r\n\r\n");
}

TEST_CASE("responses without a body have no length, or none but zero (RFC 9112 6.2)", "[http][response]") {
  CHECK(head(Response(204).body("x")) == "HTTP/1.1 204 No Content\r\nDate: now\r\n\r\n");
  CHECK(head(Response(304).body("x")) == "HTTP/1.1 304 Not Modified\r\nDate: now\r\n\r\n");
  CHECK(head(Response(205).body("x")) == "HTTP/1.1 205 Reset Content\r\nDate: now\r\nContent-Length: 0\r\n\r\n");
  CHECK(head(Response(100).body("x")) == "HTTP/1.1 100 Continue\r\n\r\n");
  for (const int status : {100, 103, 204, 205, 304}) CHECK(payload(Response(status).body("x"), {}).empty());
  for (const int status : {200, 206, 400, 503}) CHECK(payload(Response(status).body("x"), {}) == "x");
}

TEST_CASE("HEAD has the head of GET and nothing else (RFC 9110 9.3.2)", "[http][response]") {
  const Response response = Response::text(200, "hello");
  const HeadContext context = {.head_only = true};
  CHECK(head(response, context) == head(response));
  CHECK(payload(response, context).empty());
}

TEST_CASE("a connection that ends is announced, to HTTP/1.0 one that does not (RFC 9112 6.3; RFC 9110 6.6.1)",
          "[http][response]") {
  const std::string plain = "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 0\r\n";
  const std::string close = plain + "Connection: close\r\n\r\n";
  CHECK(head(Response(), {}) == plain + "\r\n");
  CHECK(head(Response(), {.keep_alive = false}) == close);
  CHECK(head(Response().close_connection()) == close);
  CHECK(head(Response(), http_1_0) == plain + "Connection: keep-alive\r\n\r\n");
  CHECK(head(Response(), {.http_minor_version = 0, .keep_alive = false}) == close);
  CHECK(head(Response().close_connection(), http_1_0) == close);
  // An interim answer says nothing of the connection.
  CHECK(head(Response(100), {.keep_alive = false}) == "HTTP/1.1 100 Continue\r\n\r\n");
}

TEST_CASE("a shared body is sent without a copy", "[http][response]") {
  const auto file = std::make_shared<const std::string>(100'000, 'x');
  Response response = Response(200).body("old").shared_body(file);
  CHECK(response.body().data() == file->data());
  CHECK_THAT(head(response), ContainsSubstring("Content-Length: 100000\r\n"));
  CHECK(payload(response, {}).data() == file->data());
  response.body("new");
  CHECK(response.body() == "new");
  CHECK(file.use_count() == 1);
}

TEST_CASE("dates are IMF-fixdates (RFC 9110 5.6.7)", "[http][date]") {
  const auto at = [](long long seconds) {
    return detail::imf_fixdate(std::chrono::sys_seconds(std::chrono::seconds(seconds)));
  };
  CHECK(at(784'111'777) == "Sun, 06 Nov 1994 08:49:37 GMT");
  CHECK(at(0) == "Thu, 01 Jan 1970 00:00:00 GMT");
  CHECK(at(951'782'399) == "Mon, 28 Feb 2000 23:59:59 GMT");
  CHECK(at(951'782'400) == "Tue, 29 Feb 2000 00:00:00 GMT");
  CHECK(at(253'402'300'799) == "Fri, 31 Dec 9999 23:59:59 GMT");
  const auto before = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const std::string now(detail::current_date());
  const auto after = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  bool between = false;
  for (auto second = before; second <= after; second += std::chrono::seconds(1)) {
    between = between || now == detail::imf_fixdate(second);
  }
  CHECK(between);
}
