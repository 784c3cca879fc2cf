// What a program needs to put text into JSON, and into its error messages.
//
//   spate::Event("{\"user\":" + spate::json_string(name) + "}")
//   throw std::invalid_argument(spate::quote(text) + " is no number");
//
// Functions without state: any thread may call them.
#pragma once

#include <string>
#include <string_view>

#include <spate/config.hpp>

namespace spate {

/// `text` as a JSON string, quotes included: what `JSON.parse` reads back. It may also stand inside an HTML script
/// element. An ill-formed UTF-8 sequence becomes U+FFFD. (RFC 8259 7)
SPATE_DECL std::string json_string(std::string_view text);

/// `text` between double quotes for a message to people: what is not printable ASCII is escaped, and no more than 80
/// bytes are shown.
SPATE_DECL std::string quote(std::string_view text);

/// Whether `text` is valid UTF-8. What is not can be no event, no user and no name.
SPATE_DECL bool is_valid_utf8(std::string_view text) noexcept;

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/wire/impl/text.ipp>
#endif
