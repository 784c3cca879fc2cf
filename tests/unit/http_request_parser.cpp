#include <algorithm>
#include <cstddef>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/http/request_parser.hpp>
#include <spate/wire/detail/quote.hpp>
#include "support/catch.hpp"
#include "support/pieces.hpp"

using namespace spate;
using namespace std::string_literals;
using namespace std::string_view_literals;
using Progress = RequestParser::Progress;

namespace {

// What becomes of the bytes, one line for each thing the parser says:
//
//   head                        the head is complete; "head, expects 100" when the client waits for that
//   POST /x 1.1 Host=a "body"   a request is complete; ", close" when it is the last one
//   400                         refused
//   begun                       the bytes ended within a request
std::string transcript(const test::Pieces& pieces, const RequestLimits& limits = {}) {
  RequestParser parser(limits);
  std::string lines;
  for (const test::Piece& piece : pieces) {
    std::string_view rest = piece.view();
    for (;;) {
      const RequestParser::Step step = parser.parse(rest);
      rest.remove_prefix(step.consumed);
      if (step.progress == Progress::failed) {
        CHECK_FALSE(parser.reason().empty());
        CHECK_FALSE(parser.keep_alive());
        return lines + std::to_string(parser.status()) + "\n";
      }
      CHECK(parser.status() == 0);
      if (step.progress == Progress::need_more) {
        CHECK(rest.empty());
        break;
      }
      if (step.progress == Progress::head_complete) {
        CHECK(parser.request().body().empty());
        lines += parser.expects_continue() ? "head, expects 100\n" : "head\n";
        continue;
      }
      const bool keep_alive = parser.keep_alive();
      const Request request = parser.take();
      lines.append(request.method()).append(" ").append(request.target()).append(" ");
      lines += std::to_string(request.version_major()) + "." + std::to_string(request.version_minor());
      for (const auto& [name, value] : request.headers()) {
        lines.append(" ").append(name).append("=").append(value);
      }
      lines += " " + detail::quote(request.body()) + (keep_alive ? "\n" : ", close\n");
      parser.reset();
      if (rest.empty()) break;
    }
  }
  return lines + (parser.started() ? "begun\n" : "");
}

// The transcript of `bytes`, however they are cut.
std::string outcome(std::string_view bytes, const RequestLimits& limits = {}) {
  std::string whole = transcript(test::cut(bytes, {}), limits);
  test::for_each_cut(bytes, [&](const test::Pieces& pieces) { REQUIRE(transcript(pieces, limits) == whole); });
  return whole;
}

struct Case {
  const char* what;
  std::string bytes;
  std::string expected;
};

void check(const std::vector<Case>& table) {
  for (const Case& c : table) {
    INFO(c.what << ": " << detail::quote(c.bytes));
    CHECK(outcome(c.bytes) == c.expected);
  }
}

// A request whose fields, after a valid Host, are `fields`.
std::string post(const std::string& fields, const std::string& body = "") {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + body;
}

std::string chunked(const std::string& body) {
  return post("Transfer-Encoding: chunked\r\n", body);
}

const std::string chunked_head = "head\nPOST / 1.1 Host=a Transfer-Encoding=chunked ";

}  // namespace

TEST_CASE("requests are read whole, whatever their method and form", "[http][parser]") {
  check({
      {"no body", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "head\nGET / 1.1 Host=a \"\"\n"},
      {"a body", post("Content-Length: 5\r\n", "hello"), "head\nPOST / 1.1 Host=a Content-Length=5 \"hello\"\n"},
      {"an empty body", post("Content-Length: 0\r\n"), "head\nPOST / 1.1 Host=a Content-Length=0 \"\"\n"},
      {"a GET with a body", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
       "head\nGET / 1.1 Host=a Content-Length=2 \"hi\"\n"},
      {"a query", "GET /a?b=c&d HTTP/1.1\r\nHost: a\r\n\r\n", "head\nGET /a?b=c&d 1.1 Host=a \"\"\n"},
      {"all of visible ASCII in the target but #",
       "GET /!\"$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~ HTTP/1.1\r\nHost: a\r\n\r\n",
       "head\nGET /!\"$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~ 1.1 Host=a \"\"\n"},
      {"a method with a hyphen", "M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n", "head\nM-SEARCH / 1.1 Host=a \"\"\n"},
      {"TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", "head\nTRACE / 1.1 Host=a \"\"\n"},
      {"half a request", "GET / HTTP/1.1\r\nHo", "begun\n"},
      {"half a body", post("Content-Length: 5\r\n", "he"), "head\nbegun\n"},
      {"nothing", "", ""},
  });
}

TEST_CASE("pipelined requests are read one at a time (RFC 9112 9.3.2)", "[http][parser]") {
  check({
      {"without bodies", "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\n",
       "head\nGET /1 1.1 Host=a \"\"\nhead\nGET /2 1.1 Host=b \"\"\n"},
      {"with bodies",
       chunked("2\r\nho\r\n0\r\n\r\n") + post("Expect: 100-continue\r\nContent-Length: 2\r\n", "hi") +
           post("Content-Length: 1\r\n", "!") + post(""),
       chunked_head + "\"ho\"\n" +
           "head, expects 100\nPOST / 1.1 Host=a Expect=100-continue Content-Length=2 \"hi\"\n" +
           "head\nPOST / 1.1 Host=a Content-Length=1 \"!\"\n" + "head\nPOST / 1.1 Host=a \"\"\n"},
      {"then nonsense", post("") + "what?", "head\nPOST / 1.1 Host=a \"\"\n501\n"},
  });

  RequestParser parser{RequestLimits{}};
  const std::string two = post("Content-Length: 2\r\n", "hi") + "GET /2";
  const auto head = parser.parse(two);
  REQUIRE(head.progress == Progress::head_complete);
  CHECK(two.substr(head.consumed) == "hiGET /2");
  const auto body = parser.parse(two.substr(head.consumed));
  REQUIRE(body.progress == Progress::complete);
  CHECK(body.consumed == 2);
  // It says so again rather than to run into the next request.
  const auto again = parser.parse("GET /2");
  CHECK(again.progress == Progress::complete);
  CHECK(again.consumed == 0);
}

TEST_CASE("after the head, a request without a body needs no further byte (RFC 9112 9.3)", "[http][parser]") {
  RequestParser parser{RequestLimits{}};
  REQUIRE(parser.parse("GET / HTTP/1.1\r\nHost: a\r\n\r\n").progress == Progress::head_complete);
  CHECK(parser.request().path() == "/");
  const auto step = parser.parse({});
  CHECK(step.progress == Progress::complete);
  CHECK(step.consumed == 0);
}

TEST_CASE("Host is needed once, and valid (RFC 9112 3.2)", "[http][parser]") {
  const auto get = [](const std::string& fields) { return "GET / HTTP/1.1\r\n" + fields + "\r\n"; };
  check({
      {"missing", get(""), "400\n"},
      {"empty", get("Host:\r\n"), "400\n"},
      {"repeated", get("Host: a\r\nHost: b\r\n"), "400\n"},
      {"repeated alike, in other case", get("Host: a\r\nhOST: a\r\n"), "400\n"},
      {"a port", get("Host: a.example:8080\r\n"), "head\nGET / 1.1 Host=a.example:8080 \"\"\n"},
      {"an empty port", get("Host: a:\r\n"), "head\nGET / 1.1 Host=a: \"\"\n"},
      {"IPv6", get("Host: [::1]:80\r\n"), "head\nGET / 1.1 Host=[::1]:80 \"\"\n"},
      {"escapes", get("Host: a%20b\r\n"), "head\nGET / 1.1 Host=a%20b \"\"\n"},
      {"a broken escape", get("Host: a%2\r\n"), "400\n"},
      {"a port out of range", get("Host: a:65536\r\n"), "400\n"},
      {"a port of letters", get("Host: a:b\r\n"), "400\n"},
      {"a port alone", get("Host: :80\r\n"), "400\n"},
      {"a path", get("Host: a/b\r\n"), "400\n"},
      {"user information", get("Host: u@a\r\n"), "400\n"},
      {"a blank within", get("Host: a b\r\n"), "400\n"},
      {"two in one", get("Host: a, b\r\n"), "400\n"},
      {"beyond ASCII", get("Host: \xC3\xA4\r\n"), "400\n"},
      {"half a bracket", get("Host: [::1\r\n"), "400\n"},
      {"empty brackets", get("Host: []\r\n"), "400\n"},
      {"after brackets", get("Host: [::1]x\r\n"), "400\n"},
      {"no IPv6 in brackets", get("Host: [x]\r\n"), "400\n"},
      {"HTTP/1.0 without", "GET / HTTP/1.0\r\n\r\n", "head\nGET / 1.0 \"\", close\n"},
      {"HTTP/1.0 with two", "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", "400\n"},
  });
}

TEST_CASE("targets are paths, absolute, or the asterisk of OPTIONS (RFC 9112 3.2)", "[http][parser]") {
  const auto get = [](const std::string& target) { return "GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n"; };
  check({
      {"absolute", get("http://b:81/x?y"), "head\nGET http://b:81/x?y 1.1 Host=a \"\"\n"},
      {"absolute, no path", get("HTTPS://b"), "head\nGET HTTPS://b 1.1 Host=a \"\"\n"},
      {"absolute, still without Host", "GET http://b/ HTTP/1.1\r\n\r\n", "400\n"},
      {"another scheme", get("ftp://b/"), "400\n"},
      {"no host", get("http:///x"), "400\n"},
      {"user information", get("http://u@b/"), "400\n"},
      {"no scheme", get("b/c"), "400\n"},
      {"a query alone", get("?x"), "400\n"},
      {"OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "head\nOPTIONS * 1.1 Host=a \"\"\n"},
      {"GET *", get("*"), "400\n"},
      {"OPTIONS *x", "OPTIONS *x HTTP/1.1\r\nHost: a\r\n\r\n", "400\n"},
      {"a fragment", get("/a#b"), "400\n"},
      {"a fragment in the query", get("/a?b#c"), "400\n"},
      {"beyond ASCII", get("/\xC3\xA4"), "400\n"},
      {"NUL", get("/a\0b"s), "400\n"},
      {"a control", get("/a\x01"), "400\n"},
      {"DEL", get("/a\x7F"), "400\n"},
      {"a tab", get("/a\tb"), "400\n"},
      {"a form feed", get("/a\fb"), "400\n"},
  });
}

TEST_CASE("a method that nobody serves is 501, what is no method 400 (RFC 9110 9.1)", "[http][parser]") {
  const std::string rest = " / HTTP/1.1\r\nHost: a\r\n\r\n";
  check({
      {"unknown", "BREW" + rest, "501\n"},
      {"in lower case", "get" + rest, "501\n"},
      {"longer than one we know", "GETS" + rest, "501\n"},
      {"shorter than one we know", "GE" + rest, "501\n"},
      {"added by newer parsers", "QUERY" + rest, "501\n"},
      {"RTSP's", "DESCRIBE" + rest, "501\n"},
      {"ICE's", "SOURCE" + rest, "501\n"},
      {"CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", "501\n"},
      {"HTTP/2 with prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "501\n"},
      {"TLS", "\x16\x03\x01\x02", "400\n"},
      {"a tab after the method", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", "400\n"},
      {"no method", rest, "400\n"},
      {"a bracket", "GET(" + rest, "400\n"},
  });
}

TEST_CASE("other versions than 1.0 and 1.1 are 505, what is no version 400", "[http][parser]") {
  const auto get = [](const std::string& version) { return "GET / " + version + "\r\nHost: a\r\n\r\n"; };
  check({
      {"0.9", get("HTTP/0.9"), "505\n"},
      {"1.2", get("HTTP/1.2"), "505\n"},
      {"2.0", get("HTTP/2.0"), "505\n"},
      {"3.0", get("HTTP/3.0"), "505\n"},
      {"9.9", get("HTTP/9.9"), "505\n"},
      {"no dot", get("HTTP/11"), "400\n"},
      {"too many digits", get("HTTP/1.10"), "400\n"},
      {"letters", get("HTTP/x.y"), "400\n"},
      {"in lower case", get("http/1.1"), "400\n"},
      {"RTSP", get("RTSP/1.0"), "400\n"},
      {"ICE", get("ICE/1.0"), "400\n"},
      {"none, as in HTTP/0.9", "GET /\r\n", "400\n"},
      {"none, and LF", "GET /\n", "400\n"},
      {"none, after a blank", "GET / \r\n", "400\n"},
  });
}

TEST_CASE("the request line is separated by single spaces", "[http][parser]") {
  check({
      {"two after the method", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "400\n"},
      {"two after the target", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", "400\n"},
      {"one at the end", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "400\n"},
      {"one at the front", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", "400\n"},
      {"a word too many", "GET / HTTP/1.1 x\r\nHost: a\r\n\r\n", "400\n"},
      {"a space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "400\n"},
  });
}

TEST_CASE("one empty line before a request is forgiven (RFC 9112 2.2)", "[http][parser]") {
  const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string got = "head\nGET / 1.1 Host=a \"\"\n";
  check({
      {"one", "\r\n" + get, got},
      {"one before each", "\r\n" + get + "\r\n" + get, got + got},
      {"two", "\r\n\r\n" + get, "400\n"},
      {"LF", "\n" + get, "400\n"},
      {"CR", "\r" + get, "400\n"},
      {"one alone is no request", "\r\n", ""},
  });

  RequestParser parser{RequestLimits{}};
  CHECK_FALSE(parser.started());
  CHECK(parser.parse("\r\n").progress == Progress::need_more);
  CHECK_FALSE(parser.started());
  CHECK(parser.parse("G").progress == Progress::need_more);
  CHECK(parser.started());
  parser.reset();
  CHECK_FALSE(parser.started());
}

TEST_CASE("lines end with CRLF and nothing else (RFC 9112 5.1)", "[http][parser]") {
  check({
      {"LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", "400\n"},
      {"CR after the request line", "GET / HTTP/1.1\rHost: a\r\n\r\n", "400\n"},
      {"LF after a field", "GET / HTTP/1.1\r\nHost: a\n\r\n", "400\n"},
      {"CR after a field", "GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", "400\n"},
      {"LF after an empty field", post("X:\n"), "400\n"},
      {"CR after an empty field", post("X:\rY: z\r\n"), "400\n"},
      {"CR CR LF", post("X: y\r\r\n"), "400\n"},
      {"LF at the end of the head", "GET / HTTP/1.1\r\nHost: a\r\n\n", "400\n"},
      {"CR and something at the end of the head", "GET / HTTP/1.1\r\nHost: a\r\n\rX", "400\n"},
      {"CR within a value", post("X: a\rb\r\n"), "400\n"},
      {"LF within a value", post("X: a\nb\r\n"), "400\n"},
      {"NUL within a value", post("X: a\0b\r\n"s), "400\n"},
      {"a control within a value", post("X: a\x1F\r\n"), "400\n"},
      {"DEL within a value", post("X: a\x7F\r\n"), "400\n"},
  });
}

TEST_CASE("field names are tokens, and values lose the blanks around them (RFC 9112 5.1)", "[http][parser]") {
  check({
      {"blanks around", post("X: \t y z \t \r\n"), "head\nPOST / 1.1 Host=a X=y z \"\"\n"},
      {"no blank", post("X:y\r\n"), "head\nPOST / 1.1 Host=a X=y \"\"\n"},
      {"empty", post("X:\r\nY: \t\r\nZ: z\r\n"), "head\nPOST / 1.1 Host=a X= Y= Z=z \"\"\n"},
      {"obs-text", post("X: \xC3\xA4\xFF\r\n"), "head\nPOST / 1.1 Host=a X=\xC3\xA4\xFF \"\"\n"},
      {"colons", post("X: a:b::\r\n"), "head\nPOST / 1.1 Host=a X=a:b:: \"\"\n"},
      {"every token character", post("!#$%&'*+-.^_`|~09AZaz: y\r\n"),
       "head\nPOST / 1.1 Host=a !#$%&'*+-.^_`|~09AZaz=y \"\"\n"},
      {"a space before the colon", post("X : y\r\n"), "400\n"},
      {"a tab before the colon", post("X\t: y\r\n"), "400\n"},
      {"a space before a known field's colon", post("Content-Length : 0\r\n"), "400\n"},
      {"a space in the name", post("X Y: z\r\n"), "400\n"},
      {"no name", post(": y\r\n"), "400\n"},
      {"no colon", post("X\r\n"), "400\n"},
      {"a bracket in the name", post("X(: y\r\n"), "400\n"},
      {"obs-text in the name", post("\xC3\xA4: y\r\n"), "400\n"},
      {"NUL in the name", post("X\0: y\r\n"s), "400\n"},
      {"a folded value", post("X: y\r\n z\r\n"), "400\n"},
      {"a value folded by a tab", post("X: y\r\n\tz\r\n"), "400\n"},
      {"a folded empty value", post("X:\r\n y\r\n"), "400\n"},
      {"a blank line that is none", post(" \r\n"), "400\n"},
      {"a first field that is folded", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", "400\n"},
  });
}

TEST_CASE("a body has one length, announced in one way (RFC 9112 6.3)", "[http][parser]") {
  check({
      {"leading zeros", post("Content-Length: 002\r\n", "hi"), "head\nPOST / 1.1 Host=a Content-Length=002 \"hi\"\n"},
      {"blanks around", post("Content-Length: \t 2 \r\n", "hi"), "head\nPOST / 1.1 Host=a Content-Length=2 \"hi\"\n"},
      {"a tab after it", post("Content-Length: 2\t\r\n", "hi"), "head\nPOST / 1.1 Host=a Content-Length=2 \"hi\"\n"},
      {"tabs and spaces around", post("Content-Length:\t \t2 \t\t \r\n", "hi"),
       "head\nPOST / 1.1 Host=a Content-Length=2 \"hi\"\n"},
      {"a tab after it, and a field after", post("Content-Length: 2\t\r\nX: y\t\r\n", "hi"),
       "head\nPOST / 1.1 Host=a Content-Length=2 X=y \"hi\"\n"},
      {"a tab alone", post("Content-Length:\t\r\n"), "400\n"},
      {"a tab within", post("Content-Length: 2\t2\r\n", "hi"), "400\n"},
      {"a tab after it, repeated", post("Content-Length: 2\t\r\nContent-Length: 2\r\n", "hi"), "400\n"},
      {"a tab after it, and chunked", post("Content-Length: 2\t\r\nTransfer-Encoding: chunked\t\r\n", "0\r\n\r\n"),
       "400\n"},
      {"a vertical tab after it", post("Content-Length: 2\v\r\n", "hi"), "400\n"},
      {"a tab and a bare CR after it", post("Content-Length: 2\t\r\t\n", "hi"), "400\n"},
      {"a tab and a bare LF after it", post("Content-Length: 2\t\n", "hi"), "400\n"},
      {"empty", post("Content-Length:\r\n"), "400\n"},
      {"blank", post("Content-Length: \r\n"), "400\n"},
      {"signed", post("Content-Length: +2\r\n", "hi"), "400\n"},
      {"negative", post("Content-Length: -2\r\n"), "400\n"},
      {"hexadecimal", post("Content-Length: 0x2\r\n", "hi"), "400\n"},
      {"a fraction", post("Content-Length: 2.0\r\n", "hi"), "400\n"},
      {"two numbers", post("Content-Length: 2 2\r\n", "hi"), "400\n"},
      {"a list", post("Content-Length: 2, 2\r\n", "hi"), "400\n"},
      {"beyond 64 bits", post("Content-Length: 18446744073709551618\r\n", "hi"), "400\n"},
      {"repeated", post("Content-Length: 2\r\nContent-Length: 3\r\n", "hi"), "400\n"},
      {"repeated alike", post("Content-Length: 2\r\nContent-Length: 2\r\n", "hi"), "400\n"},
      {"and chunked", post("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), "400\n"},
      {"after chunked", post("Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", "0\r\n\r\n"), "400\n"},
      {"0 and chunked", post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), "400\n"},
      {"chunked, in capitals", post("Transfer-Encoding: CHUNKED\r\n", "0\r\n\r\n"),
       "head\nPOST / 1.1 Host=a Transfer-Encoding=CHUNKED \"\"\n"},
      {"no coding", post("Transfer-Encoding:\r\n"), "400\n"},
      {"identity", post("Transfer-Encoding: identity\r\n"), "400\n"},
      {"gzip alone", post("Transfer-Encoding: gzip\r\n"), "400\n"},
      {"gzip after chunked", post("Transfer-Encoding: chunked, gzip\r\n"), "400\n"},
      {"gzip after chunked, in two fields", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n"), "400\n"},
      {"chunked twice", post("Transfer-Encoding: chunked, chunked\r\n"), "400\n"},
      {"chunked twice, in two fields", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), "400\n"},
      {"chunked with a parameter", post("Transfer-Encoding: chunked;a=b\r\n"), "400\n"},
      {"chunked in quotes", post("Transfer-Encoding: \"chunked\"\r\n"), "400\n"},
      {"chunked with a letter more", post("Transfer-Encoding: xchunked\r\n"), "400\n"},
      {"chunked and a tab", post("Transfer-Encoding: chunked\t\r\n", "2\r\nhi\r\n0\r\n\r\n"),
       "head\nPOST / 1.1 Host=a Transfer-Encoding=chunked \"hi\"\n"},
      {"chunked between tabs and spaces", post("Transfer-Encoding:\t \tchunked \t \t\r\n", "0\r\n\r\n"),
       "head\nPOST / 1.1 Host=a Transfer-Encoding=chunked \"\"\n"},
      {"a tab within chunked", post("Transfer-Encoding: chun\tked\r\n"), "400\n"},
      {"a word after chunked and a tab", post("Transfer-Encoding: chunked\tx\r\n"), "400\n"},
      {"a tab and a comma after chunked", post("Transfer-Encoding: chunked\t,\r\n"), "400\n"},
      {"a tab before chunked alone", post("Transfer-Encoding: gzip\t,\tchunked\t\r\n"), "501\n"},
      {"a tab alone for a coding", post("Transfer-Encoding:\t\r\n"), "400\n"},
      {"gzip before chunked", post("Transfer-Encoding: gzip, chunked\r\n"), "501\n"},
      {"gzip before chunked, in two fields", post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"),
       "501\n"},
      {"nonsense before chunked", post("Transfer-Encoding: x, chunked\r\n"), "501\n"},
      {"HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400\n"},
  });
}

TEST_CASE("chunked bodies are put together (RFC 9112 6.3, 2.2)", "[http][parser]") {
  check({
      {"one chunk", chunked("5\r\nhello\r\n0\r\n\r\n"), chunked_head + "\"hello\"\n"},
      {"several", chunked("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"), chunked_head + "\"hello\"\n"},
      {"hexadecimal", chunked("a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n"),
       chunked_head + "\"01234567890123456789a\"\n"},
      {"leading zeros", chunked("0000000000000002\r\nhi\r\n000\r\n\r\n"), chunked_head + "\"hi\"\n"},
      {"data like framing", chunked("7\r\n;\r\n0\r\n\r\r\n0\r\n\r\n"), chunked_head + "\";\\r\\n0\\r\\n\\r\"\n"},
      {"extensions", chunked("2;a\r\nhi\r\n2;a=b;c=\"d;\\\"e\"\r\nho\r\n0;z=1\r\n\r\n"), chunked_head + "\"hiho\"\n"},
      {"extensions with blanks", chunked("2; a = b\t;c\r\nhi\r\n0\r\n\r\n"), chunked_head + "\"hi\"\n"},
      {"trailers are dropped", chunked("0\r\nX: y\r\nEmpty:\r\n\r\n"), chunked_head + "\"\"\n"},
      {"half a size", chunked("2"), "head\nbegun\n"},
      {"half an extension", chunked("2;a"), "head\nbegun\n"},
  });
}

TEST_CASE("broken chunks are refused (RFC 9112 6.3)", "[http][parser]") {
  check({
      {"no size", chunked("\r\nhi\r\n0\r\n\r\n"), "head\n400\n"},
      {"no size but an extension", chunked(";a\r\nhi\r\n0\r\n\r\n"), "head\n400\n"},
      {"a signed size", chunked("+2\r\nhi\r\n0\r\n\r\n"), "head\n400\n"},
      {"a size with 0x", chunked("0x2\r\nhi\r\n0\r\n\r\n"), "head\n400\n"},
      {"a blank before the size", chunked(" 2\r\nhi\r\n0\r\n\r\n"), "head\n400\n"},
      {"a blank after the size", chunked("2 \r\nhi\r\n0\r\n\r\n"), "head\n400\n"},
      {"a size beyond 64 bits", chunked("10000000000000002\r\nhi\r\n0\r\n\r\n"), "head\n400\n"},
      {"a size without end", chunked("00000000000000002\r\nhi\r\n0\r\n\r\n"), "head\n400\n"},
      {"LF after the size", chunked("2\nhi\r\n0\r\n\r\n"), "head\n400\n"},
      {"CR after the size", chunked("2\rhi\r\n0\r\n\r\n"), "head\n400\n"},
      {"CR and an extension", chunked("2\r;a\r\nhi\r\n0\r\n\r\n"), "head\n400\n"},
      {"LF after an extension", chunked("2;a\nhi\r\n0\r\n\r\n"), "head\n400\n"},
      {"CR after an extension", chunked("2;a\rhi\r\n0\r\n\r\n"), "head\n400\n"},
      {"NUL in an extension", chunked("2;a\0\r\nhi\r\n0\r\n\r\n"s), "head\n400\n"},
      {"data too long", chunked("2\r\nhix\r\n0\r\n\r\n"), "head\n400\n"},
      {"LF after the data", chunked("2\r\nhi\n0\r\n\r\n"), "head\n400\n"},
      {"CR after the data", chunked("2\r\nhi\r0\r\n\r\n"), "head\n400\n"},
      {"something else for CR after the data", chunked("2\r\nhiX\n0\r\n\r\n"), "head\n400\n"},
      {"something else after the data", chunked("2\r\nhiXX0\r\n\r\n"), "head\n400\n"},
      {"LF at the end", chunked("0\r\n\n"), "head\n400\n"},
      {"something else at the end", chunked("0\r\n\rX"), "head\n400\n"},
      {"a folded trailer", chunked("0\r\nX: y\r\n z\r\n\r\n"), "head\n400\n"},
      {"a trailer's space before the colon", chunked("0\r\nX : y\r\n\r\n"), "head\n400\n"},
      {"a trailer without a name", chunked("0\r\n: y\r\n\r\n"), "head\n400\n"},
      {"a trailer with NUL", chunked("0\r\nX: \0\r\n\r\n"s), "head\n400\n"},
      {"a trailing Content-Length", chunked("0\r\nContent-Length: 5\r\n\r\n"), "head\n400\n"},
      {"a trailing Transfer-Encoding", chunked("0\r\nTransfer-Encoding: x\r\n\r\n"), "head\n400\n"},
  });
}

TEST_CASE("an upgrade is not taken up", "[http][parser]") {
  const std::string upgrade = "Connection: upgrade\r\nUpgrade: websocket\r\n";
  const std::string fields = "Host=a Connection=upgrade Upgrade=websocket ";
  check({
      {"without a body", post(upgrade) + post(""),
       "head\nPOST / 1.1 " + fields + "\"\"\nhead\nPOST / 1.1 Host=a \"\"\n"},
      {"with a body", post(upgrade + "Content-Length: 2\r\n", "hi") + post(""),
       "head\nPOST / 1.1 " + fields + "Content-Length=2 \"hi\"\nhead\nPOST / 1.1 Host=a \"\"\n"},
      {"with a chunked body", post(upgrade + "Transfer-Encoding: chunked\r\n", "2\r\nhi\r\n0\r\n\r\n") + post(""),
       "head\nPOST / 1.1 " + fields + "Transfer-Encoding=chunked \"hi\"\nhead\nPOST / 1.1 Host=a \"\"\n"},
      {"to HTTP/2", post("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"),
       "head\nPOST / 1.1 Host=a Connection=Upgrade, HTTP2-Settings Upgrade=h2c HTTP2-Settings=AA \"\"\n"},
  });
}

TEST_CASE("whether the connection lives on is the client's choice (RFC 9112 9.3)", "[http][parser]") {
  check({
      {"1.1", post(""), "head\nPOST / 1.1 Host=a \"\"\n"},
      {"1.1 and close", post("Connection: x, Close\r\n"), "head\nPOST / 1.1 Host=a Connection=x, Close \"\", close\n"},
      {"1.0", "GET / HTTP/1.0\r\n\r\n", "head\nGET / 1.0 \"\", close\n"},
      {"1.0 and keep-alive", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
       "head\nGET / 1.0 Connection=Keep-Alive \"\"\n"},
      {"bytes after close are left to the caller", post("Connection: close\r\nContent-Length: 2\r\n", "hi") + post(""),
       "head\nPOST / 1.1 Host=a Connection=close Content-Length=2 \"hi\", close\nhead\nPOST / 1.1 Host=a \"\"\n"},
  });
}

TEST_CASE("a 100 is expected by HTTP/1.1 with a body, and nothing else is known (RFC 9110 10.1.1)", "[http][parser]") {
  check({
      {"with a length", post("Expect: 100-Continue\r\nContent-Length: 2\r\n", "hi"),
       "head, expects 100\nPOST / 1.1 Host=a Expect=100-Continue Content-Length=2 \"hi\"\n"},
      {"chunked", post("Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n", "0\r\n\r\n"),
       "head, expects 100\nPOST / 1.1 Host=a Transfer-Encoding=chunked Expect=100-continue \"\"\n"},
      {"without a body", post("Expect: 100-continue\r\n"), "head\nPOST / 1.1 Host=a Expect=100-continue \"\"\n"},
      {"an empty body", post("Expect: 100-continue\r\nContent-Length: 0\r\n"),
       "head\nPOST / 1.1 Host=a Expect=100-continue Content-Length=0 \"\"\n"},
      {"an empty expectation", post("Expect:\r\nContent-Length: 0\r\n"),
       "head\nPOST / 1.1 Host=a Expect= Content-Length=0 \"\"\n"},
      {"something else", post("Expect: tea\r\n"), "417\n"},
      {"something else as well", post("Expect: 100-continue, tea\r\n"), "417\n"},
      {"something else in another field", post("Expect: 100-continue\r\nExpect: tea\r\n"), "417\n"},
      {"HTTP/1.0", "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
       "head\nPOST / 1.0 Expect=100-continue Content-Length=2 \"hi\", close\n"},
      {"HTTP/1.0 and something else", "POST / HTTP/1.0\r\nExpect: tea\r\n\r\n",
       "head\nPOST / 1.0 Expect=tea \"\", close\n"},
  });
}

TEST_CASE("a target may be as long as the limit and not a byte longer (RFC 9110 15.5)", "[http][parser][limits]") {
  const RequestLimits limits{.max_target_bytes = 10};
  CHECK(outcome("GET /234567890 HTTP/1.1\r\nHost: a\r\n\r\n", limits) == "head\nGET /234567890 1.1 Host=a \"\"\n");
  CHECK(outcome("GET /2345678901 HTTP/1.1\r\nHost: a\r\n\r\n", limits) == "414\n");
  // At once, and not only when the line has ended.
  CHECK(outcome("GET /23456789", limits) == "begun\n");
  CHECK(outcome("GET /2345678901", limits) == "414\n");
  CHECK(outcome("GET http://b/34", limits) == "414\n");
  CHECK(outcome("GET /?345678901", limits) == "414\n");

  const std::string longest(RequestLimits{}.max_target_bytes - 1, 'x');
  CHECK(transcript(test::cut("GET /" + longest + " HTTP/1.1\r\nHost: a\r\n\r\n", {})).starts_with("head\n"));
  CHECK(transcript(test::cut("GET /" + longest + "y", {})) == "414\n");
}

TEST_CASE("header fields may be as large as the limit and not a byte larger (RFC 9110 15.5)",
          "[http][parser][limits]") {
  const std::string fields = "Host: a\r\nX: 1234\r\n";
  const RequestLimits limits{.max_header_bytes = fields.size()};
  CHECK(outcome("GET / HTTP/1.1\r\n" + fields + "\r\n", limits) == "head\nGET / 1.1 Host=a X=1234 \"\"\n");
  CHECK(outcome("GET / HTTP/1.1\r\nHost: a\r\nX: 12345\r\n\r\n", limits) == "431\n");
  CHECK(outcome("GET / HTTP/1.1\r\nHost: a\r\nX:  1234\r\n\r\n", limits) == "431\n");
  // At once, and not only when the field has ended.
  CHECK(outcome("GET / HTTP/1.1\r\nHost: a\r\nX: 123456", limits) == "begun\n");
  CHECK(outcome("GET / HTTP/1.1\r\nHost: a\r\nX: 1234567", limits) == "431\n");
  CHECK(outcome("GET / HTTP/1.1\r\nHost: a\r\nXXXXXXXXXX", limits) == "431\n");
  CHECK(outcome("GET / HTTP/1.1\r\nHost: a\r\nX:        ", limits) == "431\n");
  // The request line and an empty line before it do not count.
  CHECK(outcome("\r\nGET /0123456789012345678 HTTP/1.1\r\n" + fields + "\r\n", limits).starts_with("head\n"));

  const std::string room(RequestLimits{}.max_header_bytes - std::string_view("Host: a\r\nX: \r\n").size(), 'x');
  CHECK(transcript(test::cut("GET / HTTP/1.1\r\nHost: a\r\nX: " + room + "\r\n\r\n", {})).starts_with("head\n"));
  CHECK(transcript(test::cut("GET / HTTP/1.1\r\nHost: a\r\nX: x" + room + "\r\n\r\n", {})) == "431\n");
}

TEST_CASE("header fields may be as many as the limit and not one more (RFC 9110 15.5)", "[http][parser][limits]") {
  const RequestLimits limits{.max_header_count = 3};
  CHECK(outcome("GET / HTTP/1.1\r\nHost: a\r\nX:\r\nX:\r\n\r\n", limits) == "head\nGET / 1.1 Host=a X= X= \"\"\n");
  CHECK(outcome("GET / HTTP/1.1\r\nHost: a\r\nX:\r\nX:\r\nX:\r\n\r\n", limits) == "431\n");
  // As soon as the name of one too many begins.
  CHECK(outcome("GET / HTTP/1.1\r\nHost: a\r\nX:\r\nX:\r\nX", limits) == "431\n");
}

TEST_CASE("trailers and chunk extensions are bounded too (RFC 9112 2.2)", "[http][parser][limits]") {
  const RequestLimits limits{.max_header_bytes = 64, .max_header_count = 2};
  const std::string got = chunked_head + "\"hi\"\n";
  CHECK(outcome(chunked("2\r\nhi\r\n0\r\nX: " + std::string(59, 'x') + "\r\n\r\n"), limits) == got);
  CHECK(outcome(chunked("2\r\nhi\r\n0\r\nX: " + std::string(60, 'x') + "\r\n\r\n"), limits) == "head\n431\n");
  CHECK(outcome(chunked("2\r\nhi\r\n0\r\nX: 1\r\nX: 2\r\n\r\n"), limits) == got);
  CHECK(outcome(chunked("2\r\nhi\r\n0\r\nX: 1\r\nX: 2\r\nX: 3\r\n\r\n"), limits) == "head\n431\n");
  // The extensions of all chunks together.
  CHECK(outcome(chunked("1;" + std::string(32, 'x') + "\r\nh\r\n1;" + std::string(32, 'x') + "\r\ni\r\n0\r\n\r\n"),
                limits) == got);
  CHECK(outcome(chunked("1;" + std::string(32, 'x') + "\r\nh\r\n1;" + std::string(33, 'x') + "\r\ni\r\n0\r\n\r\n"),
                limits) == "head\n400\n");
  const std::string extended = chunked("2;" + std::string(60, 'x') + "\r\nhi\r\n0\r\n\r\n");
  CHECK(transcript(test::cut(extended + extended, {}), limits) == got + got);
  CHECK(outcome(chunked("1;" + std::string(65, 'x')), limits) == "head\n400\n");
}

TEST_CASE("of an extension that is too long and malformed the first fault is told, however it is cut (RFC 9112 2.2)",
          "[http][parser][limits]") {
  const RequestLimits limits{.max_header_bytes = 64};
  const auto reason = [&](const std::string& bytes, std::size_t cut) {
    RequestParser parser(limits);
    std::string rest;
    for (const std::string& piece : {bytes.substr(0, cut), bytes.substr(cut)}) {
      rest += piece;
      auto step = parser.parse(rest);
      if (step.progress == RequestParser::Progress::head_complete) {
        rest.erase(0, step.consumed);
        step = parser.parse(rest);
      }
      rest.erase(0, step.consumed);
    }
    return std::string(parser.reason());
  };
  const std::string long_first = chunked("2;" + std::string(65, 'x') + "\n\r\n");
  const std::string too_long = "the chunk extensions are too long";
  CHECK(reason(long_first, 0) == too_long);
  const std::string early = chunked("2;x\n" + std::string(80, 'x') + "\r\n");
  for (std::size_t cut = 1; cut < early.size(); ++cut) {
    CAPTURE(cut);
    CHECK(reason(early, cut) == "a chunk extension contains a control character");
    if (cut < long_first.size()) CHECK(reason(long_first, cut) == too_long);
  }
}

TEST_CASE("a body may be as large as the limit and not a byte larger (RFC 9110 15.5)", "[http][parser][limits]") {
  const RequestLimits limits{.max_body_bytes = 5};
  CHECK(outcome(post("Content-Length: 5\r\n", "hello"), limits) ==
        "head\nPOST / 1.1 Host=a Content-Length=5 \"hello\"\n");
  // Before the body, and in place of the head.
  CHECK(outcome(post("Content-Length: 6\r\n"), limits) == "413\n");
  CHECK(outcome(post("Expect: 100-continue\r\nContent-Length: 18446744073709551615\r\n"), limits) == "413\n");
  CHECK(outcome(chunked("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"), limits) == chunked_head + "\"hello\"\n");
  CHECK(outcome(chunked("2\r\nhe\r\n4\r\n"), limits) == "head\n413\n");
  CHECK(outcome(chunked("5\r\nhello\r\n1\r\n"), limits) == "head\n413\n");
  CHECK(outcome(chunked("ffffffffffffffff\r\n"), limits) == "head\n413\n");

  const RequestLimits none{.max_body_bytes = 0};
  CHECK(outcome(post("Content-Length: 0\r\n"), none) == "head\nPOST / 1.1 Host=a Content-Length=0 \"\"\n");
  CHECK(outcome(post("Content-Length: 1\r\n"), none) == "413\n");
}

TEST_CASE("a refusal stands until the parser is reset", "[http][parser]") {
  RequestParser parser{RequestLimits{}};
  const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  for (int round = 0; round < 2; ++round) {
    REQUIRE(parser.parse("GET / HTTP/1.2").progress == Progress::failed);
    CHECK(parser.parse(get).progress == Progress::failed);
    CHECK(parser.parse({}).progress == Progress::failed);
    CHECK(parser.status() == 505);
    parser.reset();
    CHECK(parser.status() == 0);
    CHECK(parser.reason().empty());
  }
  CHECK(parser.parse(get).progress == Progress::head_complete);
}

TEST_CASE("no bytes change nothing, wherever they come", "[http][parser]") {
  const std::string bytes = "\r\n" + chunked("2;a=b\r\nhi\r\n0\r\nX: y\r\n\r\n");
  RequestParser parser{RequestLimits{}};
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    if (parser.parse(bytes.substr(at, 1)).progress == Progress::complete) break;
    REQUIRE(parser.parse({}).progress == Progress::need_more);
    REQUIRE(parser.parse("").progress == Progress::need_more);
  }
  CHECK(parser.request().target() == "/");
  CHECK(parser.request().header("transfer-encoding") == "chunked");
  CHECK(parser.request().body() == "hi");
}

TEST_CASE("damaged requests get the same answer however they are cut", "[http][parser][random]") {
  const std::string seeds[] = {
      "GET /a?b=c HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\nConnection: close\r\n\r\n",
      post("Content-Length: 5\r\nExpect: 100-continue\r\n", "hello") + "GET / HTTP/1.0\r\n\r\n",
      chunked("5;x=y\r\nhello\r\n2\r\n\r\n\r\n0\r\nX: y\r\n\r\n") + post(""),
      "OPTIONS http://b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
  };
  const std::string_view alphabet = "\r\n\r\n\0 \t:;,/?#*%Aa0159fx\x7F\x80\xFF"sv;
  std::mt19937 random(20240607);
  const auto below = [&](std::size_t limit) { return static_cast<std::size_t>(random() % limit); };
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = seeds[below(std::size(seeds))];
    for (std::size_t changes = 1 + below(3); changes > 0; --changes) {
      const std::size_t at = below(bytes.size());
      switch (below(3)) {
        case 0: bytes[at] = alphabet[below(alphabet.size())]; break;
        case 1: bytes.erase(at, 1 + below(3)); break;
        default: bytes.insert(at, 1, alphabet[below(alphabet.size())]); break;
      }
    }
    INFO(detail::quote(bytes));
    const std::string whole = transcript(test::cut(bytes, {}));
    std::vector<std::size_t> cuts;
    for (std::size_t at = 1; at < bytes.size(); ++at) cuts.push_back(at);
    REQUIRE(transcript(test::cut(bytes, cuts)) == whole);
    REQUIRE(transcript(test::cut(bytes, {1 + below(bytes.size() - 1)})) == whole);
  }
}
