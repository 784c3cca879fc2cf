// A request of HTTP/2, field by field.
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/http2/detail/http2_request.hpp>
#include <spate/wire/detail/quote.hpp>
#include "support/catch.hpp"

using namespace spate;
using namespace spate::detail;
using namespace std::string_literals;

namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

Fields head_of(const std::string& method, const std::string& path, const Fields& more) {
  Fields fields{{":method", method}, {":scheme", "https"}, {":path", path}, {":authority", "example.org"}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

// What becomes of a head and the pieces of a body, in one line:
//
//   GET /x 2.0 host=example.org ""   the request
//   431 the header ...               refused, and why
std::string outcome(const Fields& fields, const std::vector<std::string>& body = {}, const RequestLimits& limits = {}) {
  Http2Request coming(limits);
  for (const auto& [name, value] : fields) coming.add_field(name, value);
  coming.end_head();
  for (const std::string& piece : body) coming.add_body(piece);
  if (coming.status() != 0) {
    CHECK_FALSE(coming.reason().empty());
    CHECK(coming.body_size() <= limits.max_body_bytes);
    return std::to_string(coming.status()) + " " + std::string(coming.reason());
  }
  const Request request = coming.take();
  std::string line(request.method());
  line.append(" ").append(request.target()).append(" ");
  line += std::to_string(request.version_major()) + "." + std::to_string(request.version_minor());
  for (const auto& [name, value] : request.headers()) line.append(" ").append(name).append("=").append(value);
  return line + " " + detail::quote(request.body());
}

std::string get(const Fields& more = {}, const RequestLimits& limits = {}) {
  return outcome(head_of("GET", "/x", more), {}, limits);
}

constexpr std::string_view too_large = "431 the header fields are too large";
constexpr std::string_view too_many = "431 there are too many header fields";
// What the authority of these requests counts.
constexpr std::size_t host_size = std::string_view(":authority").size() + std::string_view("example.org").size() + 32;
const std::string plain = "GET /x 2.0 host=example.org \"\"";

}  // namespace

TEST_CASE("a request is what its fields say, and its authority is the host", "[http2][request]") {
  CHECK(get() == plain);
  CHECK(get({{"accept", "text/event-stream"}, {"x", ""}}) ==
        "GET /x 2.0 host=example.org accept=text/event-stream x= \"\"");
  CHECK(outcome(head_of("POST", "/a?b=c", {{"x", "1"}}), {"ab", "", "c"}) ==
        "POST /a?b=c 2.0 host=example.org x=1 \"abc\"");
  CHECK(outcome(head_of("OPTIONS", "*", {})) == "OPTIONS * 2.0 host=example.org \"\"");
  // Pseudo-header fields come in any order among themselves.
  CHECK(outcome({{":authority", "a"}, {":path", "/x"}, {":scheme", "http"}, {":method", "GET"}}) ==
        "GET /x 2.0 host=a \"\"");
}

TEST_CASE("whom a request is for is said once, or twice alike", "[http2][request]") {
  const Fields nobody{{":method", "GET"}, {":scheme", "https"}, {":path", "/x"}};
  const auto with_host = [](Fields fields, const std::string& host) {
    fields.emplace_back("host", host);
    return fields;
  };
  CHECK(outcome(nobody) == "400 Host is missing");
  CHECK(outcome(with_host(nobody, "example.org")) == plain);
  CHECK(outcome(with_host(nobody, "")) == "400 Host is missing");
  CHECK(outcome(with_host(with_host(nobody, "example.org"), "example.org")) == "400 Host is repeated");
  CHECK(get({{"host", "example.org"}}) == plain);
  CHECK(get({{"host", "Example.ORG"}}) == plain);
  CHECK(get({{"host", "example.org:443"}}) == "400 Host is not the authority");
  CHECK(get({{"host", "example.com"}}) == "400 Host is not the authority");
  CHECK(get({{"host", ""}}) == "400 Host is not the authority");
  CHECK(get({{"host", "example.org"}, {"host", "example.org"}}) == "400 Host is repeated");
}

TEST_CASE("cookies that a client has split are one field", "[http2][request]") {
  CHECK(get({{"cookie", "a=1"}}) == "GET /x 2.0 host=example.org cookie=a=1 \"\"");
  CHECK(get({{"cookie", "a=1"}, {"x", "y"}, {"cookie", "b=2"}, {"cookie", "c=3"}}) ==
        "GET /x 2.0 host=example.org x=y cookie=a=1; b=2; c=3 \"\"");
}

TEST_CASE("a head is as large as its limit and no larger", "[http2][request][limits]") {
  RequestLimits limits;
  SECTION("the target") {
    limits.max_target_bytes = 4;
    CHECK(outcome(head_of("GET", "/123", {}), {}, limits) == "GET /123 2.0 host=example.org \"\"");
    CHECK(outcome(head_of("GET", "/1234", {}), {}, limits) == "414 the request target is too long");
  }
  SECTION("fields in all, each with what it costs besides its bytes") {
    limits.max_header_bytes = host_size + 100;
    // RFC 7541 4.1: the bytes of both, and 32.
    CHECK(get({{"a", std::string(100 - 32 - 1, 'x')}}, limits).ends_with(" \"\""));
    CHECK(get({{"a", std::string(100 - 32, 'x')}}, limits) == too_large);
    CHECK(get({{"a", "x"}, {"b", std::string(100 - 34 - 33, 'x')}}, limits).ends_with(" \"\""));
    CHECK(get({{"a", "x"}, {"b", std::string(100 - 34 - 32, 'x')}}, limits) == too_large);
  }
  SECTION("their number") {
    limits.max_header_count = 3;  // with the authority
    CHECK(get({{"a", "x"}, {"b", "x"}}, limits).ends_with(" a=x b=x \"\""));
    CHECK(get({{"a", "x"}, {"b", "x"}, {"c", "x"}}, limits) == too_many);
    // The crumbs of a cookie are one field, as their client had it.
    CHECK(get({{"cookie", "x"}, {"cookie", "x"}, {"cookie", "x"}}, limits).ends_with(" cookie=x; x; x \"\""));
    CHECK(get({{"a", "x"}, {"b", "x"}, {"cookie", "x"}}, limits) == too_many);
  }
  SECTION("cookies, before they are one") {
    limits.max_header_bytes = host_size + 100;
    CHECK(get({{"cookie", "a=1"}, {"cookie", "b=2"}}, limits).ends_with(" cookie=a=1; b=2 \"\""));
    CHECK(get({{"cookie", "a=1"}, {"cookie", "b=2"}, {"cookie", "c=3"}}, limits) == too_large);
  }
  SECTION("the authority, which is a field as well") {
    limits.max_header_bytes = 100;
    const auto named = [&](std::size_t size) {
      return outcome({{":method", "GET"}, {":scheme", "http"}, {":path", "/x"}, {":authority", std::string(size, 'a')}},
                     {}, limits);
    };
    CHECK(named(100 - 32 - 10).ends_with(" \"\""));
    CHECK(named(100 - 32 - 9) == too_large);
  }
}

TEST_CASE("a body is as large as its limit and no larger, however it comes", "[http2][request][limits]") {
  RequestLimits limits;
  limits.max_body_bytes = 4;
  const auto post = [&](const std::vector<std::string>& body, const Fields& more = {}) {
    return outcome(head_of("POST", "/x", more), body, limits);
  };
  CHECK(post({"1234"}).ends_with("\"1234\""));
  CHECK(post({"1", "2", "34"}).ends_with("\"1234\""));
  CHECK(post({"12345"}) == "413 the body is too large");
  CHECK(post({"1234", "5"}) == "413 the body is too large");
  CHECK(post({"12345", "1"}) == "413 the body is too large");
  CHECK(post({"1234"}, {{"content-length", "4"}}).ends_with("\"1234\""));
  // It is refused by what it announces.
  CHECK(post({}, {{"content-length", "5"}}) == "413 the body is too large");
  CHECK(post({}, {{"content-length", "99999999999999999999999"}}) == "413 the body is too large");
}

TEST_CASE("methods that nobody knows, and tunnels, are answered with 501", "[http2][request]") {
  CHECK(outcome(head_of("BREW", "/x", {})) == "501 the method is not known");
  CHECK(outcome(head_of("get", "/x", {})) == "501 the method is not known");
  CHECK(outcome({{":method", "CONNECT"}, {":authority", "example.org:80"}}) == "501 the method is not known");
  CHECK(outcome(head_of("DELETE", "/x", {})) == "DELETE /x 2.0 host=example.org \"\"");
}

TEST_CASE("what is no target, and no field, is refused", "[http2][request]") {
  for (const std::string target : {"x", "http://example.org/x", "", "/a b", "/\x7F", "/\xC3\xA4"}) {
    CAPTURE(target);
    CHECK(outcome(head_of("GET", target, {})).starts_with("400 "));
  }
  CHECK(outcome({{":method", "GET"}, {":path", "/x"}, {":authority", "a\r\nb"}}).starts_with("400 "));
  CHECK(get({{"x", "a\r\nb: c"}}) == "400 a header field is malformed");
  CHECK(get({{"x", "a\0b"s}}) == "400 a header field is malformed");
}

TEST_CASE("nothing but 100-continue can be expected", "[http2][request]") {
  const auto expects = [](const std::string& what) {
    const RequestLimits limits;
    Http2Request coming(limits);
    for (const auto& [name, value] : head_of("POST", "/x", {{"expect", what}})) coming.add_field(name, value);
    coming.end_head();
    return std::pair(coming.expects_continue(), coming.status());
  };
  CHECK(expects("100-continue") == std::pair(true, 0));
  CHECK(expects("100-Continue") == std::pair(true, 0));
  CHECK(expects("200-ok") == std::pair(false, 417));
  CHECK(expects("100-continue, 100-continue") == std::pair(true, 0));
  CHECK(expects("100-continue, 200-ok").second == 417);
  CHECK(expects("") == std::pair(false, 0));
}

TEST_CASE("what was wrong first is what is told, and nothing more is kept", "[http2][request]") {
  const RequestLimits limits;
  Http2Request coming(limits);
  CHECK(coming.status() == 0);
  coming.refuse(408, "first");
  coming.refuse(400, "second");
  coming.add_field(":method", "HEAD");
  coming.add_field("x", "y");
  coming.end_head();
  coming.add_body("abc");
  CHECK(coming.status() == 408);
  CHECK(coming.reason() == "first");
  CHECK(coming.body_size() == 0);
  CHECK_FALSE(coming.is_head());
}

TEST_CASE("a head may be taken, changed, and given its body later", "[http2][request]") {
  const RequestLimits limits;
  Http2Request coming(limits);
  for (const auto& [name, value] : head_of("POST", "/x", {})) coming.add_field(name, value);
  coming.end_head();
  Request head = std::move(coming.head());
  coming.add_body("ab");
  head.set_param("user", "anna");
  coming.put_back(std::move(head));
  coming.add_body("c");
  CHECK(coming.body_size() == 3);
  const Request whole = coming.take();
  CHECK(whole.param("user") == "anna");
  CHECK(whole.body() == "abc");
  CHECK(coming.body_size() == 0);
}

TEST_CASE("a refusal knows whether it answers HEAD", "[http2][request]") {
  RequestLimits limits;
  limits.max_target_bytes = 1;
  Http2Request coming(limits);
  for (const auto& [name, value] : head_of("HEAD", "/too/long", {})) coming.add_field(name, value);
  coming.end_head();
  CHECK(coming.status() == 414);
  CHECK(coming.is_head());
}
