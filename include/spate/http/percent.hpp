// Percent-encoding: text as a part of a URL, and back. (RFC 3986 2.1)
//
//   "/sse/subscribe/" + spate::percent_encode(user)          // "a b/c" is a%20b%2Fc
//   spate::percent_decode("a%20b%2Fc")                       // "a b/c"
//
// Functions without state: any thread may call them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <spate/config.hpp>

namespace spate {

/// `text` with everything escaped but letters, digits, and what is in `-._~`: good for one segment of a path, and for a
/// name or a value of a query.
SPATE_DECL std::string percent_encode(std::string_view text);

/// `text` decoded, or nothing when a `%` has no two hexadecimal digits after it. A `+` is itself, as in a path.
SPATE_DECL std::optional<std::string> percent_decode(std::string_view text);

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/http/impl/percent.ipp>
#endif
