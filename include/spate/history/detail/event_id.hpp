// Event ids on the wire: `epoch-sequence`.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <spate/config.hpp>

namespace spate::detail {

SPATE_DECL std::string format_event_id(std::string_view epoch, std::uint64_t sequence);

/// The sequence number in `id` if it is of `epoch` and written as `format_event_id` writes it, else nothing: the id is
/// text from outside.
SPATE_DECL std::optional<std::uint64_t> parse_event_id(std::string_view epoch, std::string_view id) noexcept;

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/history/impl/event_id.ipp>
#endif
