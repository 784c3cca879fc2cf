#include <string>
#include <string_view>

#include <spate/http/detail/loopback.hpp>
#include <spate/http/detail/percent.hpp>
#include <spate/http/detail/tokens.hpp>
#include "support/catch.hpp"

using namespace spate::detail;
using namespace std::string_view_literals;

TEST_CASE("Accept admits what the most exact range says (WHATWG 9.2.2)", "[http][tokens]") {
  struct Case {
    std::string_view accept;
    bool stream, json;
  };
  const Case table[] = {
      {"", true, true},
      {" ", true, true},
      {"*/*", true, true},
      {"text/event-stream", true, false},
      {"TEXT/Event-Stream", true, false},
      {"application/json", false, true},
      {"text/html, application/json;charset=utf-8", false, true},
      {"text/*", true, false},
      {"text/html, */*;q=0.8", true, true},
      {"*/*;q=0", false, false},
      {"*/*; q=0.000", false, false},
      {"*/*;q=0.001", true, true},
      {"*/*, text/event-stream;q=0", false, true},
      {"text/event-stream;q=0, */*", false, true},
      {"text/*;q=0, text/event-stream", true, false},
      {"text/event-stream, text/*;q=0", true, false},
      {"application/json;Q=0, */*", true, false},
      {"application/json;v=\"a,b;q=0\", x/y", false, true},
      {"text/event-streams", false, false},
      {"text", false, false},
      {"*", false, false},
      {"text/", false, false},
      {",, text/event-stream ,", true, false},
      {"application/*+json", false, false},
  };
  for (const Case& c : table) {
    INFO(c.accept);
    CHECK(accepts(c.accept, "text/event-stream") == c.stream);
    CHECK(accepts(c.accept, "application/json") == c.json);
  }
}

TEST_CASE("lists are searched element by element, quoted strings apart (RFC 9110 5.6.1)", "[http][tokens]") {
  CHECK(has_token("close", "close"));
  CHECK(has_token("a, CLOSE ,b", "close"));
  CHECK(has_token(",,close", "close"));
  CHECK_FALSE(has_token("closed", "close"));
  CHECK_FALSE(has_token("a close", "close"));
  CHECK_FALSE(has_token("\"a,close,b\"", "close"));
  CHECK_FALSE(has_token("\"a\\\",close\"", "close"));
  CHECK(has_token("\"a\",close", "close"));
  CHECK_FALSE(has_token("\"open,close", "close"));
  CHECK_FALSE(has_token("\"\\", "close"));
  CHECK_FALSE(has_token("", "close"));
}

TEST_CASE("tokens are what RFC 9110 5.6.2 lists", "[http][tokens]") {
  constexpr std::string_view others = "\"(),/:;<=>?@[\\]{} \t"sv;
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    INFO(byte);
    CHECK(is_token_char(c) == (byte > 0x20 && byte < 0x7F && others.find(c) == std::string_view::npos));
  }
  CHECK_FALSE(is_token(""));
  CHECK(is_token("M-SEARCH"));
  CHECK_FALSE(is_token("a b"));
}

TEST_CASE("letters compare without case, nothing else does", "[http][tokens]") {
  CHECK(iequals("aZ-1", "Az-1"));
  CHECK_FALSE(iequals("[", "{"));
  CHECK_FALSE(iequals("a", "ab"));
  CHECK_FALSE(iequals("\xC4", "\xE4"));
  CHECK(trim(" \ta b\t ") == "a b");
  CHECK(trim(" \t").empty());
}

TEST_CASE("escapes are two hexadecimal digits (RFC 3986 2.1)", "[http][percent]") {
  CHECK(percent_decode("%41%c3%A4+", Plus::literal) == "A\xC3\xA4+");
  CHECK(percent_decode("%41+%2B", Plus::space) == "A +");
  CHECK(percent_decode("100%", Plus::space) == "100%");
  CHECK(percent_decode("%4", Plus::space) == "%4");
  CHECK(percent_decode("%%34%31", Plus::space) == "%41");
  for (const auto text : {""sv, "a"sv, "%00"sv, "%fF%Aa"sv}) CHECK(well_formed_percent(text));
  for (const auto text : {"%"sv, "%1"sv, "a%"sv, "%%41"sv, "%g0"sv, "%0g"sv, "%41%"sv, "%+1"sv}) {
    INFO(text);
    CHECK_FALSE(well_formed_percent(text));
  }
}

TEST_CASE("loopback is a name and some addresses, in every spelling (RFC 6454 7)", "[http][host]") {
  for (const char* host : {"localhost", "LocalHost", "localhost.", "LOCALHOST.", "127.0.0.1", "127.255.0.255",
                           "127.0.0.0", "[::1]", "[0:0:0:0:0:0:0:1]", "[0000:0000:0000:0000:0000:0000:0000:0001]",
                           "[0::1]", "[::0:1]", "[::0.0.0.1]", "[::ffff:127.0.0.1]", "[::FFFF:127.9.8.7]",
                           "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7F09:0807]", "[0::0:ffff:127.0.0.1]"}) {
    INFO(host);
    CHECK(is_loopback(host));
  }
  for (const char* host : {"",
                           ".",
                           "localhost..",
                           ".localhost",
                           "localhost.evil",
                           "127.0.0.1.evil",
                           "127.0.0",
                           "127.1",
                           "127.0.0.256",
                           "127.0.0.01",
                           "128.0.0.1",
                           "0127.0.0.1",
                           "127.0.0.1.",
                           "127..0.1",
                           "127.0.0.1.1",
                           "0.0.0.0",
                           "[::2]",
                           "::1",
                           "127.0.0.x",
                           "1270.0.0.1",
                           "[",
                           "[]",
                           "[::]",
                           "[:]",
                           "[:1]",
                           "[1:]",
                           "[:::1]",
                           "[::1::]",
                           "[0:0:0:0:0:0:0:0:1]",
                           "[0:0:0:0:0:0:1]",
                           "[::00001]",
                           "[::1:]",
                           "[::g]",
                           "[::127.0.0.1]",
                           "[::fffe:127.0.0.1]",
                           "[::ffff:126.0.0.1]",
                           "[::ffff:8000:1]",
                           "[1::ffff:127.0.0.1]",
                           "[::ffff:127.0.0.1:0]",
                           "[::ffff:127.0.0]",
                           "[::ffff:127.0.0.01]",
                           "[127.0.0.1]",
                           "[0:0:0:0:0:0:0:127.0.0.1]",
                           "[1:2:3:4:5:6:7:8::]",
                           "[fe80::1]"}) {
    INFO(host);
    CHECK_FALSE(is_loopback(host));
  }
}
