// The functions of prefetch.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/loop/detail/prefetch.hpp>

namespace spate::detail {

SPATE_DECL void prefetch(const void* address) noexcept {
#if defined(__GNUC__)
  __builtin_prefetch(address);
#else
  static_cast<void>(address);
#endif
}

}  // namespace spate::detail
