#include <string>
#include <string_view>

#include <spate/wire/detail/json.hpp>
#include "support/catch.hpp"

using namespace std::string_view_literals;

namespace {

std::string json(std::string_view text) {
  std::string out = "[";
  spate::detail::append_json_string(out, text);
  REQUIRE(out.starts_with('['));
  return out.substr(1);
}

}  // namespace

TEST_CASE("a text becomes a JSON string (RFC 8259 7)", "[wire][json]") {
  struct Case {
    std::string_view text, expected;
  };
  const Case table[] = {
      {"", R"("")"},
      {"hello", R"("hello")"},
      {"a\"b\\c/d", R"("a\"b\\c/d")"},
      {"a\nb", R"("a\nb")"},
      {"\0\x01\t\r\b\f\x1F\x7F"sv, R"("\u0000\u0001\u0009\u000d\u0008\u000c\u001f\u007f")"},
      {"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80", "\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\""},
  };
  for (const Case& c : table) CHECK(json(c.text) == c.expected);
}

TEST_CASE("a JSON string may stand in a script element", "[wire][json]") {
  CHECK(json("</script><!--") == R"("\u003c/script>\u003c!--")");
  CHECK(json("a\xE2\x80\xA8"
             "b\xE2\x80\xA9") == R"("a\u2028b\u2029")");
  CHECK(json("\xE2\x80\xA7\xE2\x80\xAA") == "\"\xE2\x80\xA7\xE2\x80\xAA\"");
}

TEST_CASE("ill-formed UTF-8 becomes U+FFFD in JSON (WHATWG 9.2.5)", "[wire][json]") {
  CHECK(json("a\xFF"
             "b") ==
        "\"a\xEF\xBF\xBD"
        "b\"");
  CHECK(json("\xE2\x80") == "\"\xEF\xBF\xBD\"");
  CHECK(json("\xE2\x80\"") == "\"\xEF\xBF\xBD\\\"\"");
  CHECK(json("\xED\xA0\x80") == "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
}
