// Quoting text from outside inside an error message: printable, bounded, unambiguous.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <spate/config.hpp>

namespace spate::detail {

/// `text` between double quotes, with everything but printable ASCII escaped and at most 80 bytes of it shown.
SPATE_DECL std::string quote(std::string_view text);

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/wire/impl/quote.ipp>
#endif
