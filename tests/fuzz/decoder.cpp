// Any bytes as an event stream: decoding ends, within its limit, and the same however the bytes are cut. (WHATWG 9.2.6)
#include <string_view>

#include <spate/wire/decoder.hpp>
#include <spate/wire/detail/utf8.hpp>
#include "fuzz/fuzz.hpp"
#include "support/decoded.hpp"

using namespace spate;
using test::Decoded;
using test::require;

namespace {

void check(std::string_view input, DecoderOptions options) {
  const Decoded whole = test::decode(input, options);
  for (const DecodedEvent& event : whole.events) {
    require(!event.name.empty(), "an event has a name", input);
    require(event.name.find_first_of("\r\n") == std::string::npos, "a name has no line end", event.name);
    require(event.data.find('\r') == std::string::npos, "data have no CR", event.data);
    require(event.last_event_id.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos,
            "an id has neither line end nor NUL", event.last_event_id);
    require(detail::valid_utf8(event.data) && detail::valid_utf8(event.name), "text is UTF-8", event.data);
    require(event.data.size() <= options.max_event_bytes * 3, "data are bounded", event.data);  // U+FFFD is three bytes
  }
  for (const test::Pieces& pieces : test::some_cuts(input)) {
    require(test::decode(pieces, options) == whole, "cutting changes nothing", input);
  }
}

}  // namespace

void fuzz(std::string_view input) {
  check(input, {});
  check(input, {.max_event_bytes = 32});
}
