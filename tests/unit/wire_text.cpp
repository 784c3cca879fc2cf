#include <spate/wire/text.hpp>

#include <string>

#include "support/catch.hpp"

using namespace spate;

TEST_CASE("text becomes a JSON string", "[wire][text]") {
  CHECK(json_string("a\"b\\c\n</script>") == R"("a\"b\\c\n\u003c/script>")");
  CHECK(json_string("") == "\"\"");
  CHECK(json_string("\xFF") == "\"\xEF\xBF\xBD\"");
}

TEST_CASE("text is quoted for people, and short", "[wire][text]") {
  CHECK(quote("a\r\n") == R"("a\r\n")");
  CHECK(quote(std::string(1000, 'x')).size() < 100);
}

TEST_CASE("what is no UTF-8 is told", "[wire][text]") {
  CHECK(is_valid_utf8("\xC3\xA9"));
  CHECK_FALSE(is_valid_utf8("\xC3"));
}
