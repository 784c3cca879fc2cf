#include <spate/http/percent.hpp>

#include <string>

#include "support/catch.hpp"

using namespace spate;

TEST_CASE("text becomes a part of a URL and comes back", "[http][percent]") {
  CHECK(percent_encode("a b/c?d=e&f+g%") == "a%20b%2Fc%3Fd%3De%26f%2Bg%25");
  CHECK(percent_encode("AZaz09-._~") == "AZaz09-._~");
  CHECK(percent_encode("\xC3\xA9") == "%C3%A9");
  CHECK(percent_encode("").empty());
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  CHECK(percent_decode(percent_encode(all)) == all);
}

TEST_CASE("a broken escape is no text", "[http][percent]") {
  CHECK(percent_decode("a%2fb+c") == "a/b+c");
  for (const char* bad : {"%", "%2", "a%zz", "%%20", "%2g"}) CHECK_FALSE(percent_decode(bad));
}
