#include <string>
#include <string_view>

#include <spate/http/detail/line_guard.hpp>
#include <spate/wire/detail/quote.hpp>
#include "support/catch.hpp"

using namespace spate;
using namespace std::string_view_literals;
using Section = detail::LineGuard::Section;

namespace {

// How many of `bytes` are good, and the status for the one that follows: "7: 400". Just the number when all are.
std::string verdict(detail::LineGuard guard, std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    guard.take(bytes.substr(at, 1));
    if (guard.fault()) return std::to_string(at) + ": " + std::to_string(guard.fault().status);
  }
  return std::to_string(bytes.size());
}

detail::LineGuard within(Section section, const RequestLimits& limits = {}) {
  detail::LineGuard guard(limits);
  guard.take("GET / HTTP/1.1\r\n\r\n");
  guard.enter(section);
  return guard;
}

struct Case {
  std::string_view bytes, expected;
};

}  // namespace

TEST_CASE("the guard names the first byte of the head that is wrong", "[http][parser]") {
  const Case table[] = {
      {"GET / HTTP/1.1\r\nA: b\r\n\r\n", "24"},
      {"\r\nGET / HTTP/1.0\r\n\r\n", "20"},
      {"\r\n\r", "2: 400"},
      {"\rG", "1: 400"},
      {"\n", "0: 400"},
      {" GET", "0: 400"},
      {"GET\t", "3: 400"},
      {"G\xC3", "1: 400"},
      {"GET  ", "4: 400"},
      {"GET /#", "5: 400"},
      {"GET /\x7F", "5: 400"},
      {"GET /\x80", "5: 400"},
      {"GET /\0"sv, "5: 400"},
      {"GET /\r", "5: 400"},
      {"GET / h", "6: 400"},
      {"GET / HTTPS", "10: 400"},
      {"GET / HTTP/1.1 ", "14: 400"},
      {"GET / HTTP/1.1\n", "14: 400"},
      {"GET / HTTP/1.1\r\r", "15: 400"},
      {"GET / HTTP/1.1\r\n A", "16: 400"},
      {"GET / HTTP/1.1\r\n:", "16: 400"},
      {"GET / HTTP/1.1\r\n\n", "16: 400"},
      {"GET / HTTP/1.1\r\nA\r", "17: 400"},
      {"GET / HTTP/1.1\r\nA ", "17: 400"},
      {"GET / HTTP/1.1\r\nA:\n", "18: 400"},
      {"GET / HTTP/1.1\r\nA:b\x1F", "19: 400"},
      {"GET / HTTP/1.1\r\nA:b\x7F", "19: 400"},
      {"GET / HTTP/1.1\r\nA:b\0"sv, "19: 400"},
      {"GET / HTTP/1.1\r\nA:b\xFF\t c", "23"},
      {"GET / HTTP/1.1\r\nA:b\r\n\tc", "21: 400"},
      {"GET / HTTP/1.1\r\nA:b\r\n\rX", "22: 400"},
  };
  for (const Case& c : table) {
    INFO(detail::quote(c.bytes));
    CHECK(verdict(detail::LineGuard(RequestLimits{}), c.bytes) == c.expected);
  }
}

TEST_CASE("the guard reads sizes and trailers of chunks (RFC 9112 6.3, 2.2)", "[http][parser]") {
  const Case sizes[] = {
      {"0\r\n", "3"},
      {"0123456789abcdef\r\n", "18"},
      {"0123456789abcdefA", "16: 400"},
      {"\r", "0: 400"},
      {"5\n", "1: 400"},
      {"5 ", "1: 400"},
      {"5\r5", "2: 400"},
      {"x", "0: 400"},
  };
  for (const Case& c : sizes) {
    INFO(detail::quote(c.bytes));
    CHECK(verdict(within(Section::chunk_size), c.bytes) == c.expected);
  }
  const Case trailers[] = {{"A: b\r\n\r\n", "8"}, {"\r\n", "2"}, {" A", "0: 400"}, {"A b", "1: 400"}};
  for (const Case& c : trailers) {
    INFO(detail::quote(c.bytes));
    CHECK(verdict(within(Section::trailers), c.bytes) == c.expected);
  }
  auto guard = within(Section::chunk_size);
  guard.take("2\r\n");
  guard.skip_data();
  CHECK(verdict(guard, "\r\n") == "2");
  CHECK(verdict(guard, "X\n") == "0: 400");
  CHECK(verdict(guard, "\n") == "0: 400");
  CHECK(verdict(guard, "\rX") == "1: 400");
}

TEST_CASE("the guard finds the byte beyond a limit, unless that byte is wrong by itself (RFC 9110 15.5)",
          "[http][parser][limits]") {
  const RequestLimits limits{.max_target_bytes = 3, .max_header_bytes = 6, .max_header_count = 1};
  const Case table[] = {
      {"GET /23 HTTP/1.1\r\nA:23\r\n\r\n", "26"},
      {"GET /234", "7: 414"},
      {"GET /23#", "7: 400"},
      {"GET / HTTP/1.1\r\nA:234\r", "21: 431"},
      {"GET / HTTP/1.1\r\nA:23456", "22: 431"},
      {"GET / HTTP/1.1\r\nABCDEFG", "22: 431"},
      {"GET / HTTP/1.1\r\nA:\r\nB", "20: 431"},
      {"GET / HTTP/1.1\r\nA:\r\n ", "20: 400"},
  };
  for (const Case& c : table) {
    INFO(detail::quote(c.bytes));
    CHECK(verdict(detail::LineGuard(limits), c.bytes) == c.expected);
  }
  CHECK(verdict(within(Section::trailers, limits), "A:23\r\n\r\n") == "8");
  CHECK(verdict(within(Section::trailers, limits), "A:234\r\n") == "5: 431");
  CHECK(verdict(within(Section::trailers, limits), "A:\r\nB") == "4: 431");
}
