// The event that tells a client which events it will never get.
#pragma once

#include <string>
#include <string_view>

#include <spate/config.hpp>
#include <spate/wire/detail/json.hpp>
#include <spate/wire/encoded_event.hpp>

namespace spate::detail {

/// Empty `requested` and `oldest` become null; an empty `position` leaves the event without an id.
SPATE_DECL EncodedEvent encode_gap(std::string_view name, std::string_view requested, std::string_view oldest,
                                   std::string_view reason, std::string_view position);

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/stream/impl/gap_event.ipp>
#endif
