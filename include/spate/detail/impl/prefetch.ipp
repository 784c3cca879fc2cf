// The functions of prefetch.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/detail/prefetch.hpp>

namespace spate::detail {

SPATE_DECL void prefetch(const void* address) noexcept {
#if defined(__GNUC__)
  __builtin_prefetch(address);
  // A function that does nothing else has no effect that GCC knows of: it would leave out the call.
  __asm__ volatile("");
#else
  static_cast<void>(address);
#endif
}

}  // namespace spate::detail
