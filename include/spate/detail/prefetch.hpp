// A hint to the processor.
#pragma once

#include <spate/config.hpp>

namespace spate::detail {

/// Asks for the cache line of `address`, which is needed soon. Any address will do: none is ever an error.
SPATE_DECL void prefetch(const void* address) noexcept;

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/detail/impl/prefetch.ipp>
#endif
