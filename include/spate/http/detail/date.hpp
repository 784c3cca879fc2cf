// The `Date` field. (RFC 9110 5.6.7, 6.6.1)
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include <spate/config.hpp>

namespace spate::detail {

/// `time` as an IMF-fixdate: "Sun, 06 Nov 1994 08:49:37 GMT", whatever the locale.
SPATE_DECL std::string imf_fixdate(std::chrono::sys_seconds time);

/// The present as an IMF-fixdate, made once a second on each thread. Valid until this thread's next call.
SPATE_DECL std::string_view current_date();

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/http/impl/date.ipp>
#endif
