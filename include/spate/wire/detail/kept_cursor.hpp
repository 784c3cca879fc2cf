// What is kept of the id after which a client wants to resume, for as long as its stream lives.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <spate/config.hpp>

namespace spate::detail {

/// An id of an emitter is far shorter. (Fetch 2.2.2)
inline constexpr std::size_t max_cursor_bytes = 128;

/// `cursor`, or, in place of one that is longer than an id may be, its beginning and its length: no id of any history.
SPATE_DECL std::string kept_cursor(std::string_view cursor);

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/wire/impl/kept_cursor.ipp>
#endif
