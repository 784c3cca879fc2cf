// One connection that speaks HTTP/2, in the clear. What the input means stands in http2_script.hpp.
#include <string_view>

#include "fuzz/fuzz.hpp"
#include "fuzz/http2_script.hpp"

using namespace spate::test;

void fuzz(std::string_view input) {
  play_http2(input, [](const HeldHttp2::Ways& ways, const auto& play) { connect_http2(ways, play); });
}
