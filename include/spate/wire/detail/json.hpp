// JSON strings: what `JSON.parse` reads back as the text, and what may also stand inside an HTML script element.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <spate/config.hpp>
#include <spate/wire/detail/utf8.hpp>

namespace spate::detail {

/// Appends `text` to `out` as a JSON string, quotes included. (RFC 8259 7)
///
/// `<` is escaped so that no `</script>` or `<!--` can appear, U+2028 and U+2029 because older scripts take them for
/// line ends, and all controls, U+0080 to U+009F among them: U+0085 is a line end to some who read a log, others begin
/// what a terminal obeys. An ill-formed UTF-8 sequence becomes U+FFFD.
SPATE_DECL void append_json_string(std::string& out, std::string_view text);

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/wire/impl/json.ipp>
#endif
